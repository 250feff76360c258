// Tasks as processes: starts them, ends them, and tells how they ended.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "dwork.pb.h"

using Environment = std::map<std::string, std::string>;

constexpr double never = std::numeric_limits<double>::infinity();
constexpr double grace = 5;  // seconds between TERM and KILL

// Seconds since the epoch.
inline double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// An unnamed file that takes what a task prints: no amount of it fills the memory, and nobody has to read along.
class Output {
   public:
    Output() {
        auto name = (std::filesystem::temp_directory_path() / "dwork-XXXXXX").string();
        fd = mkostemp(name.data(), O_CLOEXEC | O_APPEND);
        if (fd < 0) throw std::system_error(errno, std::generic_category(), name);
        unlink(name.c_str());
    }
    Output(const Output&) = delete;
    ~Output() { close(fd); }

    size_t size() const {
        struct stat status {};
        return fstat(fd, &status) == 0 ? status.st_size : 0;
    }

    std::string read(size_t offset, size_t length) const {
        std::string piece(length, '\0');
        piece.resize(std::max<ssize_t>(0, pread(fd, piece.data(), length, offset)));
        return piece;
    }

    int fd;
};

struct Process {
    dwork::TaskMsg task;
    double started = now();
    double end_at = never;   // when its time is up
    double kill_at = never;  // when to stop being polite
    std::string reason;      // why it is ended
    Output output, errors, mark;  // mark: something is in it when the setup block has succeeded
    int status = 0;  // when it has ended, with its usage, as wait4 tells it
    rusage usage{};
};

class Processes {
   public:
    // Nothing outlives the worker; when that is killed itself, PR_SET_PDEATHSIG ends the shells, but not their children.
    ~Processes() {
        for (const auto& [pid, process] : running_) kill(-pid, SIGKILL);
    }

    void start(const dwork::TaskMsg& task, const Environment& environment) {
        auto process = std::make_unique<Process>();
        process->task = task;
        if (task.options().has_timeout()) process->end_at = process->started + task.options().timeout();
        const pid_t pid = spawn(*process, environment);
        running_[pid] = std::move(process);
    }

    // Those that have ended since.
    std::vector<std::unique_ptr<Process>> reap() {
        std::vector<std::unique_ptr<Process>> ended;
        int status = 0;
        rusage usage{};
        for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
            auto& process = *ended.emplace_back(std::move(running_.extract(pid).mapped()));
            process.status = status;
            process.usage = usage;
            if (!process.reason.empty()) kill(-pid, SIGKILL);  // what ignored TERM while its leader did not
        }
        return ended;
    }

    void end(uint64_t id, const std::string& reason) {
        for (auto& [pid, process] : running_) {
            if (process->task.id() != id || !process->reason.empty()) continue;
            process->reason = reason;
            process->end_at = never;
            process->kill_at = now() + grace;
            kill(-pid, SIGTERM);
        }
    }

    // Ends those whose time is up, and those that did not heed TERM.
    void enforce() {
        for (auto& [pid, process] : running_) {
            if (now() >= process->kill_at) kill(-pid, SIGKILL), process->kill_at = never;
            if (now() < process->end_at) continue;
            char reason[64];
            std::snprintf(reason, sizeof reason, "timed out after %g s", process->task.options().timeout());
            end(process->task.id(), reason);
        }
    }

    // Whether a task runs: the hub, which took us for lost, gives again what runs here, and it counts as that attempt.
    bool renew(const dwork::TaskMsg& task) {
        for (auto& [pid, process] : running_)
            if (process->task.id() == task.id()) return process->task.set_attempt(task.attempt()), true;
        return false;
    }

    // When `enforce` has something to do.
    double deadline() const {
        double first = never;
        for (const auto& [pid, process] : running_) first = std::min({first, process->end_at, process->kill_at});
        return first;
    }

    const auto& running() const { return running_; }

   private:
    // The program to start: for a line its shell, which runs the setup block first.
    static std::vector<std::string> words_of(const dwork::TaskMsg& task) {
        const auto& shell = task.options().shell();
        const bool is_line = task.argument().empty();
        if (!is_line && shell.setup().empty()) return {task.argument().begin(), task.argument().end()};
        std::vector<std::string> words(shell.word().begin(), shell.word().end());
        if (words.empty()) words = {"/bin/sh"};
        std::string script;
        for (const auto& command : shell.setup()) script += command + "\ncase $? in 0) ;; *) exit ;; esac\n";
        if (!shell.setup().empty()) script += "echo >&9; exec 9>&-\n";
        if (is_line) script += task.has_command() ? task.command() : task.name();
        else script += "exec";
        for (const auto& argument : task.argument()) script += " " + quoted(argument);
        words.insert(words.end(), {"-c", script});
        return words;
    }

    // A word for a shell. Arguments stand in the script, and not in "$@", which a setup block may shift or set.
    static std::string quoted(const std::string& word) {
        std::string text = "'";
        for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
        return text + "'";
    }

    static pid_t spawn(const Process& process, const Environment& environment) {
        const auto& task = process.task;
        const auto& cwd = task.options().cwd();
        std::vector<std::string> words = words_of(task), variables;
        for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
        const auto argv = pointers(words), envp = pointers(variables);
        const auto complaint = "cannot start " + words[0] + (cwd.empty() ? "" : " in " + cwd) + "\n";
        const pid_t parent = getpid(), pid = fork();
        if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
        if (pid > 0) return pid;

        // The child. ZeroMQ has threads, so from here on only what POSIX allows between fork and exec.
        setsid();  // a group of its own, to be ended as a whole
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
        dup2(process.output.fd, STDOUT_FILENO);
        dup2(process.errors.fd, STDERR_FILENO);
        if (task.options().shell().setup_size() > 0) dup2(process.mark.fd, 9);
        if (getppid() == parent && (cwd.empty() || chdir(cwd.c_str()) == 0)) execvpe(argv[0], argv.data(), envp.data());
        const int status = errno == ENOENT && cwd.empty() ? 127 : 126;
        if (write(STDERR_FILENO, complaint.data(), complaint.size()) < 0) _exit(126);
        _exit(status);
    }

    static std::vector<char*> pointers(std::vector<std::string>& texts) {
        std::vector<char*> all;
        for (auto& text : texts) all.push_back(text.data());
        all.push_back(nullptr);
        return all;
    }

    std::map<pid_t, std::unique_ptr<Process>> running_;
};
