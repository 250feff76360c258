// A worker in C++: takes tasks from a hub, several at a time, and runs them until all are finished.
//
//   cpp_worker [--slots N] [--connection FILE | --insecure tcp://HOST:PORT]       or FILE in $DWORK_CONNECTION
//
// It speaks the native dialect of proto/dwork.proto, which is the manual, and keeps these rules:
//
// - Requests are numbered, and answers repeat the number. What is unanswered for too long, or was not heeded (Welcome
//   with `again`), is repeated, together with the numbers of all tasks in hand: both sides then know who has what.
// - It says something every few seconds, a Beat if there is nothing else, or it is taken for lost.
// - It holds some tasks more than it runs, so that the next one starts at once, and gives them back when the hub calls.
// - INT, TERM and HUP let running tasks finish; the second one ends them, and the hub lets them run elsewhere.
//
// Left out, and done by kworker: files that appear late on a network file system, GPUs, pinning, memory limits, output while a task runs, the end of its own batch job.
#include <fnmatch.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <cmath>
#include <deque>
#include <iostream>

#include "hub.h"
#include "process.h"

using dwork::QueryMsg;
using dwork::TaskMsg;

namespace {

constexpr uint32_t protocol = 2;     // version of the native dialect
constexpr double patience = 10;     // seconds after which an answer counts as lost
constexpr double hub_timeout = 60;  // seconds of silence after which the hub does
constexpr double steal_wait = 20;   // seconds that the hub may keep a Steal until something is ready
constexpr double longest_beat = 5;
constexpr uint32_t no_setup = 16, not_created = 18;  // causes of failures: the setup block ended it; a file is missing
constexpr size_t short_output = 32 * 1024, piece = 256 * 1024;

// Returns the first of the files that a task promises to create that does not exist.
std::string first_missing(const dwork::Options& options) {
    for (const auto& name : options.creates()) {
        const bool is_full = name[0] == '/' || options.cwd() == "";
        struct stat status {};
        if (stat((is_full ? name : options.cwd() + "/" + name).c_str(), &status)) return name;
    }
    return "";
}

uint32_t cores(const TaskMsg& task) { return std::max(1u, task.options().cores()); }
double seconds(const timeval& time) { return time.tv_sec + time.tv_usec / 1e6; }

class Worker {
   public:
    // way: variables that tell tasks how to reach the hub. signals: a signalfd.
    Worker(Hub& hub, int slots, Environment way, int signals)
        : hub_(hub), slots_(slots), way_(std::move(way)), signals_(signals) {
        char host[256] = "";
        gethostname(host, sizeof host - 1);
        location_ = std::string(host) + ":" + std::to_string(getpid());
    }

    void run() {
        while (true) {
            while (const auto message = hub_.receive()) heed(*message);
            processes_.enforce();
            for (const auto& process : processes_.reap()) note(*process);
            while (!queue_.empty() && !leaving_ && fits(queue_.front())) {
                processes_.start(queue_.front(), environment_of(queue_.front()));
                queue_.pop_front();
            }
            if (!dismissed_) say();
            if (is_over()) break;
            if (now() > heard_ + hub_timeout) throw Trouble("the hub is silent; what was running is ended");
            sleep();
        }
        if (says_goodbye_) hub_.send(request(QueryMsg::Exit));  // what it holds is ready again
    }

   private:
    struct Request {
        double overdue;
        bool matters;  // it must have been heard before this worker may end
        dwork::Results results;
    };

    bool is_over() const {
        const auto matters = [](const auto& each) { return each.second.matters; };
        const bool is_done = processes_.running().empty() && results_.id().empty();
        return hurries_ || (leaving_ && is_done && std::none_of(unanswered_.begin(), unanswered_.end(), matters));
    }

    // -- what the hub says

    void heed(const QueryMsg& message) {
        heard_ = now();
        const bool answers_steal = stealing_ && message.answers() == stealing_;
        if (answers_steal) stealing_ = 0;
        unanswered_.erase(message.answers());
        switch (message.type()) {
            case QueryMsg::Welcome:
                message.again() ? repeat() : welcome_.CopyFrom(message);
                break;
            case QueryMsg::Transfer:
                if (answers_steal) take(message);  // else it comes too late: its tasks are the hub's again
                break;
            case QueryMsg::Recall:
                for (int n = message.n(); n > 0 && !queue_.empty(); n--) give_back(queue_.end() - 1);
                break;
            case QueryMsg::Cancel:
                for (const auto id : message.ids()) cancel(id);
                break;
            case QueryMsg::Leave:
                leaving_ = says_goodbye_ = true;
                break;
            case QueryMsg::Exit:
                leaving_ = true;
                if (!message.answers()) dismiss();
                break;
            case QueryMsg::Error:
                throw Trouble("the hub refuses: " + message.error());
            default:
                break;  // OK and NotFound: it was heard
        }
    }

    void take(const QueryMsg& message) {
        for (auto task : message.task()) {
            if (task.shared()) *task.mutable_options() = message.shared_options(task.shared() - 1);
            if (!processes_.renew(task)) queue_.push_back(task);
        }
        for (int row = 0; row < message.plain().name_size(); row++) {
            TaskMsg task;
            if (message.plain().shared())
                *task.mutable_options() = message.shared_options(message.plain().shared() - 1);
            task.set_name(message.plain().name(row));
            task.set_id(message.plain().id(row));
            task.set_attempt(message.plain().attempt(row));
            if (!processes_.renew(task)) queue_.push_back(task);
        }
    }

    void cancel(uint64_t id) {
        processes_.end(id, "cancelled");
        const auto is_it = [id](const TaskMsg& task) { return task.id() == id; };
        const auto found = std::find_if(queue_.begin(), queue_.end(), is_it);
        if (found != queue_.end()) give_back(found);
    }

    void give_back(std::deque<TaskMsg>::iterator task) {
        returned_.push_back(task->id());
        queue_.erase(task);
    }

    // The hub is gone, and takes nothing any more.
    void dismiss() {
        dismissed_ = true;
        says_goodbye_ = false;
        unanswered_.clear();
        results_.Clear();
    }

    // -- what is said to the hub

    void say() {
        while (leaving_ && !queue_.empty()) give_back(queue_.begin());
        const auto is_overdue = [](const auto& each) { return now() >= each.second.overdue; };
        if (std::any_of(unanswered_.begin(), unanswered_.end(), is_overdue)) repeat();
        if (!returned_.empty()) {
            auto message = request(QueryMsg::Transfer);
            for (const auto id : returned_) {
                auto& task = *message.add_task();
                task.set_name("");  // required, but the number says it
                task.set_origin("");
                task.set_id(id);
            }
            returned_.clear();
            send(message);
        }
        if (!results_.id().empty()) {
            auto message = request(QueryMsg::Complete);
            message.mutable_results()->Swap(&results_);
            results_.Clear();
            send(message);
        }
        const int in_hand = static_cast<int>(queue_.size() + processes_.running().size());
        const bool has_enough = static_cast<int>(queue_.size()) > slots_ / 2;
        const int n = leaving_ || stealing_ || has_enough ? 0 : 2 * slots_ - in_hand;
        if (n > 0 || compares_) {  // what is in hand must travel with something
            auto message = request(QueryMsg::Steal);
            message.set_n(std::max(1, n));
            message.set_wait(steal_wait);
            stealing_ = message.sequence();
            send(message);
        } else if (now() >= spoke_ + beat()) {
            send(request(QueryMsg::Beat));
        }
    }

    QueryMsg request(QueryMsg::Type type) {
        QueryMsg message;
        message.set_type(type);
        message.set_location(location_);
        message.set_slots(slots_);
        message.set_sequence(++sequence_);
        message.set_beat(beat());
        message.set_hello(!welcome_.has_type());
        if (!welcome_.has_type() || compares_) message.set_protocol(protocol);
        if (!welcome_.has_type() || compares_) message.mutable_has()->set_cores(slots_);
        if (compares_ && (type == QueryMsg::Complete || type == QueryMsg::Steal)) {
            const auto tell = [&message](const TaskMsg& task) {
                message.add_ids(task.id());
                message.add_attempts(task.attempt());
            };
            for (const auto& [pid, process] : processes_.running()) tell(process->task);
            std::for_each(queue_.begin(), queue_.end(), tell);
            message.set_compare(true);
            compares_ = false;
        }
        return message;
    }

    void send(const QueryMsg& message) {
        spoke_ = now();
        const bool matters = message.type() == QueryMsg::Complete || message.type() == QueryMsg::Transfer;
        unanswered_[message.sequence()] = {spoke_ + message.wait() + patience, matters, message.results()};
        hub_.send(message);
    }

    // Nobody knows what has arrived: report again, and tell what is in hand.
    void repeat() {
        for (auto& [number, request] : unanswered_) {
            for (auto& text : *request.results.mutable_text()) text.set_row(text.row() + results_.id_size());
            results_.MergeFrom(request.results);
        }
        unanswered_.clear();
        stealing_ = 0;
        compares_ = true;
    }

    double beat() const { return welcome_.beat() > 0 ? std::min(longest_beat, welcome_.beat()) : longest_beat; }

    // -- how tasks end

    void note(const Process& process) {
        const int signal = WIFSIGNALED(process.status) ? WTERMSIG(process.status) : 0;
        const int status = signal ? 128 + signal : WEXITSTATUS(process.status);
        const bool is_good = status == 0 && process.reason == "";
        const bool lacks_setup = is_good && process.task.options().shell().setup_size() > 0 && process.mark.size() == 0;
        const std::string missing = is_good && !lacks_setup ? first_missing(process.task.options()) : "";
        const bool ran_out_of_time = process.reason != "" && process.reason != "cancelled";
        dwork::Results::Text text;
        text.set_row(results_.id_size());
        text.set_error(missing == "" ? process.reason : "it exited with 0, but did not create " + missing);
        if (missing != "") text.set_cause(not_created);
        if (lacks_setup) text.set_cause(no_setup), text.set_error("its setup ended the shell, before the command");
        *text.mutable_stdout() = pass_on(process.task.id(), 1, process.output);
        *text.mutable_stderr() = pass_on(process.task.id(), 2, process.errors);
        results_.add_id(process.task.id());
        results_.add_attempt(process.task.attempt());
        // 73: EX_CANTCREAT of sysexits.h; 124: as timeout(1) has it
        results_.add_exit_status(lacks_setup ? 1 : missing != "" ? 73 : status == 0 && ran_out_of_time ? 124 : status);
        results_.add_signal(signal);
        results_.add_started(process.started);
        results_.add_seconds(now() - process.started);
        results_.add_user(seconds(process.usage.ru_utime));
        results_.add_system(seconds(process.usage.ru_stime));
        results_.add_max_rss(process.usage.ru_maxrss * 1024);
        results_.add_text()->Swap(&text);
    }

    // Returns output that is short, to travel with the result; the rest goes before it in pieces, up to the hub's limit.
    std::string pass_on(uint64_t id, int stream, const Output& output) {
        const size_t size = output.size(), limit = welcome_.output_limit() ? welcome_.output_limit() : size;
        if (welcome_.wants_output() && size <= short_output) return output.read(0, size);
        for (size_t offset = 0; offset < std::min(size, limit); offset += piece)
            pass_on(id, stream, output.read(offset, std::min(piece, limit - offset)));
        if (size > limit) pass_on(id, stream, "\n[" + std::to_string(size - limit) + " bytes are left out]\n");
        return "";
    }

    void pass_on(uint64_t id, int stream, const std::string& data) {
        if (!welcome_.wants_output()) {
            (stream == 1 ? std::cout : std::cerr) << data << std::flush;
            return;
        }
        QueryMsg message;
        message.set_type(QueryMsg::Output);
        message.set_location(location_);
        message.add_ids(id);
        message.set_stream(stream);
        message.set_data(data);
        hub_.send(message);
    }

    // -- what tasks get

    // Whether there is a core for each of its cores.
    bool fits(const TaskMsg& task) const {
        uint32_t taken = 0;
        for (const auto& [pid, process] : processes_.running()) taken += cores(process->task);
        return taken == 0 || taken + cores(task) <= static_cast<uint32_t>(slots_);
    }

    Environment environment_of(const TaskMsg& task) const {
        Environment environment;
        for (char** entry = environ; *entry; entry++) {
            const std::string text = *entry, name = text.substr(0, text.find('='));
            const auto fits = [&name](const auto& glob) { return fnmatch(glob.c_str(), name.c_str(), 0) == 0; };
            if (std::none_of(welcome_.env_drop().begin(), welcome_.env_drop().end(), fits))
                environment[name] = text.substr(name.size() + 1);
        }
        for (const auto& variable : welcome_.env()) environment[variable.name()] = variable.value();
        for (const auto& [name, value] : way_) environment[name] = value;
        environment["DWORK_WORKER"] = location_;
        environment["DWORK_TASK_NAME"] = task.name();
        environment["DWORK_TASK_ID"] = std::to_string(task.id());
        environment["DWORK_ATTEMPT"] = std::to_string(task.attempt());
        environment["OMP_NUM_THREADS"] = std::to_string(cores(task));
        for (const auto& variable : task.options().env()) environment[variable.name()] = variable.value();
        return environment;
    }

    // -- until something happens

    void sleep() {
        double until = std::min({processes_.deadline(), spoke_ + beat(), heard_ + hub_timeout});
        for (const auto& [number, request] : unanswered_) until = std::min(until, request.overdue);
        const auto milliseconds = static_cast<long>(std::max(0.0, std::ceil((until - now()) * 1000)));
        zmq::pollitem_t items[] = {{hub_.handle(), 0, ZMQ_POLLIN, 0}, {nullptr, signals_, ZMQ_POLLIN, 0}};
        zmq::poll(items, 2, std::chrono::milliseconds(milliseconds));
        signalfd_siginfo signal{};
        while (read(signals_, &signal, sizeof signal) > 0) {
            if (signal.ssi_signo == SIGCHLD) continue;
            hurries_ = std::exchange(is_told_, true);
            leaving_ = says_goodbye_ = true;
        }
    }

    Hub& hub_;
    const int slots_;
    const Environment way_;
    const int signals_;
    std::string location_;
    QueryMsg welcome_;  // how the hub wants tasks to be run
    Processes processes_;
    std::deque<TaskMsg> queue_;                // in hand, not started
    std::vector<uint64_t> returned_;           // to be given back
    dwork::Results results_;                   // to be reported
    std::map<uint64_t, Request> unanswered_;   // by number
    uint64_t sequence_ = 0, stealing_ = 0;     // the last number; that of the Steal which is unanswered, or 0
    double spoke_ = 0, heard_ = now();
    bool compares_ = false;                    // something got lost
    bool leaving_ = false, says_goodbye_ = false, dismissed_ = false;
    bool is_told_ = false, hurries_ = false;   // by a signal, and by a second one
};

// Signals are read, not handled; to be called before ZeroMQ starts its threads.
int catch_signals() {
    sigset_t caught;
    sigemptyset(&caught);
    for (const int number : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) sigaddset(&caught, number);
    sigprocmask(SIG_BLOCK, &caught, nullptr);
    return signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

int main(int argc, char** argv) try {
    const char* file = std::getenv("DWORK_CONNECTION");
    std::map<std::string, std::string> options{{"--slots", "1"}, {"--connection", file ? file : ""}, {"--insecure", ""}};
    bool is_clear = argc % 2 == 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        is_clear = is_clear && options.count(argv[i]);
        options[argv[i]] = argv[i + 1];
    }
    const int slots = std::atoi(options["--slots"].c_str());
    const std::string address = options["--insecure"], path = options["--connection"];
    if (!is_clear || slots < 1 || (address.empty() && path.empty())) {
        std::cerr << "usage: cpp_worker [--slots N] [--connection FILE | --insecure tcp://HOST:PORT]\n";
        return 2;
    }
    const int signals = catch_signals();
    Environment way;
    if (address.empty())
        way = {{"DWORK_CONNECTION", std::filesystem::absolute(path)}};
    else
        way = {{"DWORK_SERVER", address}, {"DWORK_INSECURE", "1"}};
    Hub hub(address.empty() ? read_connection(path) : Connection{{address}, "", "", ""});
    Worker(hub, slots, way, signals).run();
} catch (const std::exception& error) {
    std::cerr << "cpp_worker: " << error.what() << "\n";
    return 1;
}
