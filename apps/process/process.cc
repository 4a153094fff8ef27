#include "apps/process/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

namespace juxmem {
namespace {

std::vector<std::string> environment_with(const std::vector<std::string>& settings) {
  std::vector<std::string> all;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string entry = *line;
    const std::string name = entry.substr(0, entry.find('=') + 1);
    bool replaced = false;
    for (const std::string& setting : settings) replaced = replaced || setting.starts_with(name);
    if (!replaced) all.push_back(entry);
  }
  all.insert(all.end(), settings.begin(), settings.end());
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> found;
  for (std::string& word : words) found.push_back(word.data());
  found.push_back(nullptr);
  return found;
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

Result<Process> Process::start(const std::vector<std::string>& command, const std::vector<std::string>& settings,
                               const std::string& log) {
  std::vector<std::string> words = command;
  std::vector<std::string> lines = environment_with(settings);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!log.empty()) {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  }
  pid_t pid = 0;
  const int code =
      posix_spawnp(&pid, words.front().c_str(), &actions, nullptr, pointers(words).data(), pointers(lines).data());
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return fail(Code::kIo, "cannot start " + words.front() + ": " + std::strerror(code));
  return Process(pid);
}

Process::Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, 0)), code_(other.code_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, 0);
    code_ = other.code_;
  }
  return *this;
}

Process::~Process() { end(); }

void Process::end() {
  if (pid_ == 0 || code_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::optional<int> Process::poll() {
  int status = 0;
  if (!code_ && waitpid(pid_, &status, WNOHANG) == pid_) code_ = code_of(status);
  return code_;
}

std::optional<int> Process::wait(std::int64_t limit_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
  while (!poll() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return code_;
}

Result<std::string> output_of(const std::vector<std::string>& command, const std::vector<std::string>& settings,
                              std::int64_t limit_ms) {
  char path[] = "/tmp/juxmem-output-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0) return fail(Code::kIo, "cannot make a temporary file in /tmp");
  close(file);
  std::string text;
  std::optional<int> code;
  auto process = Process::start(command, settings, path);
  if (process) {
    code = process->wait(limit_ms);
    std::ostringstream contents;
    contents << std::ifstream(path).rdbuf();
    text = contents.str();
  }
  unlink(path);
  if (!process) return std::unexpected(process.error());
  if (!code) return fail(Code::kTryAgain, command.front() + " did not end in time; it printed: " + text);
  if (*code != 0) return fail(Code::kIo, command.front() + " ended with code " + std::to_string(*code) + ": " + text);
  return text;
}

}  // namespace juxmem
