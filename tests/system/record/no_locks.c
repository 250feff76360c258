/* A file system without locks, for LD_PRELOAD: fcntl refuses them as Lustre without -o flock does, for regular files
   below $NO_LOCKS_BELOW, with the error $NO_LOCKS_ERRNO or ENOLCK. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refuses(int fd, int command)
{
    const char *below = getenv("NO_LOCKS_BELOW"), *number = getenv("NO_LOCKS_ERRNO");
    char link[64], path[4096];
    ssize_t n;

    switch (command) {
    case F_SETLK: case F_SETLKW: case F_GETLK: case F_OFD_SETLK: case F_OFD_SETLKW: case F_OFD_GETLK:
        break;
    default:
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (!below || n < 0)
        return 0;
    path[n] = 0;
    if (strncmp(path, below, strlen(below)))
        return 0;
    errno = number ? atoi(number) : ENOLCK;
    return 1;
}

#define WRAP(name)                                                          \
    int name(int fd, int command, ...)                                      \
    {                                                                       \
        static int (*real)(int, int, ...);                                  \
        va_list list;                                                       \
        void *argument;                                                     \
        va_start(list, command);                                            \
        argument = va_arg(list, void *);                                    \
        va_end(list);                                                       \
        if (!real)                                                          \
            real = (int (*)(int, int, ...))dlsym(RTLD_NEXT, #name);         \
        return refuses(fd, command) ? -1 : real(fd, command, argument);     \
    }

WRAP(fcntl)
WRAP(fcntl64)
