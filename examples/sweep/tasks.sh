#!/bin/sh
# Prints a task file: a task for each point of a grid of parameters, and one that gathers the results.
#
#   sh tasks.sh > tasks.txt && mpirun -n 17 dwork-pool tasks.txt
#
# To make it yours, change the two lists and the command; the names should say which point it is. Each result is
# written under another name first, so that half of one is never taken for a whole one.

echo 'mkdir -p results #DWORK name=prepare'
echo '#DWORK after=prepare timeout=1m'
for stiffness in $(seq 1 25); do
    for damping in 0.2 0.4 0.6 0.8 1.0 1.2 1.4 1.6 1.8 2.0; do
        point=k$stiffness-c$damping
        echo "awk -v k=$stiffness -v c=$damping -f point.awk > results/$point.new" \
            "&& mv results/$point.new results/$point #DWORK name=point-$point"
    done
done
echo 'sort -n -k 1,1 -k 2,2 results/k*-c?.? > table.txt #DWORK name=gather after=point-*'
