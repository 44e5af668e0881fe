#include "benchmarks/rivals/child.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <sstream>
#include <system_error>

#include "benchmarks/measure/clocks.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"

extern char** environ;  // NOLINT: of POSIX

namespace vox::bench {
namespace {

/// The environment of this process with some variables replaced.
std::vector<std::string> environment_with(const std::vector<std::string>& changed) {
  std::vector<std::string> all = changed;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string entry = *e;
    const std::string key = entry.substr(0, entry.find('=') + 1);
    bool replaced = false;
    for (const std::string& c : changed) { replaced = replaced || c.starts_with(key); }
    if (!replaced) { all.push_back(entry); }
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& t : texts) { result.push_back(t.data()); }
  result.push_back(nullptr);
  return result;
}

constexpr std::size_t kMostChatter = std::size_t{1} << 20U;  // PyTorch's warnings are some KiB

/// Enough of what a program said to recognise it, whatever bytes that was.
std::string start_of(const std::string& text) {
  constexpr std::size_t kMost = 80;
  std::string line = text.substr(0, text.find('\n'));
  const bool all = line.size() <= kMost;
  if (!all) { line.resize(kMost); }
  std::ranges::replace_if(
      line, [](char c) { return c < ' ' || c > '~'; }, '?');
  return all ? line : line + "…";
}

bool is_seconds(const Json& value) { return value.is_number() && value.get<double>() >= 0; }

/// What an answer lacks that the question asked for; empty where it is complete.
std::string fault_of(const Json& answer, const std::string& question) {
  const auto wants = [&](const char* key, bool needed, bool (*fits)(const Json&), const char* what) {
    const Json* const found = answer.find(key);
    const bool fine = found == nullptr ? !needed : fits(*found);
    return fine ? std::string() : fmt::format("wants {}, {}", key, what);
  };
  const auto is_text = [](const Json& v) { return v.is_string(); };
  const auto is_flag = [](const Json& v) { return v.is_boolean(); };
  const auto are_seconds = [](const Json& v) {
    return v.is_object() && std::ranges::all_of(v.items(), is_seconds, &Json::Member::value);
  };
  const bool runs = question == "run";
  for (const std::string& fault :
       {wants("name", question == "hello", is_text, "a text"), wants("way", false, is_text, "a text"),
        wants("nothing", false, is_flag, "true or false"), wants("wall_s", runs, is_seconds, "seconds per call"),
        wants("processor_s", false, is_seconds, "seconds per call"),
        wants("phases_s", false, are_seconds, "seconds by phase"),
        wants("peak_resident_bytes", false, is_seconds, "a number"),
        wants("peak_tensor_bytes", false, is_seconds, "a number")}) {
    if (!fault.empty()) { return fault; }
  }
  return {};
}

}  // namespace

Child::Child(const std::vector<std::string>& command, const std::vector<std::string>& environment)
    : name_(command.front()) {
  std::array<int, 2> ends{};
  VOX_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "{}: no socket: {}", name_,
            std::generic_category().message(errno));
  socket_ = ends[0];
  messages_ = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  if (messages_ >= 0) { posix_spawn_file_actions_adddup2(&actions, messages_, STDERR_FILENO); }
  std::vector<std::string> words = command;
  std::vector<std::string> variables = environment_with(environment);
  const int error = posix_spawnp(&process_, words.front().c_str(), &actions, nullptr, pointers(words).data(),
                                 pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    process_ = -1;
    end();
    VOX_FAIL("{}: cannot be run: {}", name_, std::generic_category().message(error));
  }
}

Child::~Child() { end(); }

void Child::end() noexcept {
  if (socket_ >= 0) { close(socket_); }
  socket_ = -1;
  if (process_ > 0) {  // the end of its input is the sign to go; who does not see it is stopped
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < 100 && ended == 0; ++i) {
      ended = waitpid(process_, &status, WNOHANG);
      if (ended == 0) { usleep(20'000); }
    }
    if (ended == 0) {
      kill(process_, SIGKILL);
      while (waitpid(process_, &status, 0) == -1 && errno == EINTR) {}
    }
  }
  process_ = -1;
  if (messages_ >= 0) { close(messages_); }
  messages_ = -1;
}

std::string Child::last_words() {
  if (messages_ < 0) { return "nothing said"; }
  std::string text(4096, '\0');
  const off_t size = lseek(messages_, 0, SEEK_END);
  const ssize_t read = pread(messages_, text.data(), text.size(), std::max<off_t>(0, size - 4096));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(read, 0)));
  std::istringstream lines(text);
  std::string last = "nothing said";
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) { last = line; }
  }
  return last;
}

void Child::send_line(const Json& question) {
  const std::string line = json_text(question) + "\n";
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t n = send(socket_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    VOX_CHECK(n > 0 || errno == EINTR, "{}: ended without an answer: {}", name_, last_words());
    if (n > 0) { sent += static_cast<std::size_t>(n); }
  }
}

std::string Child::read_line(Wait& wait) {
  for (;;) {
    if (const std::size_t end = unread_.find('\n'); end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
    const double left = wait.until - now().wall_s;
    VOX_CHECK(left > 0, "{}: no answer within {:g} s", name_, wait.limit_s);
    if (poll(&waiting, 1, static_cast<int>(std::min(left, 3600.0) * 1e3) + 1) <= 0) { continue; }
    std::array<char, 4096> part{};
    const ssize_t n = recv(socket_, part.data(), part.size(), 0);
    VOX_CHECK(n > 0 || (n < 0 && errno == EINTR), "{}: ended without an answer: {}", name_, last_words());
    if (n <= 0) { continue; }
    unread_.append(part.data(), static_cast<std::size_t>(n));
    wait.said += static_cast<std::size_t>(n);
    VOX_CHECK(wait.said <= kMostChatter, "{}: said {} KiB and no answer: '{}'", name_, wait.said / 1024,
              start_of(unread_));
  }
}

Json Child::read_answer(double limit_s) {
  Wait wait{.limit_s = limit_s, .until = now().wall_s + limit_s};
  for (;;) {
    const std::string said = read_line(wait);
    if (!said.starts_with('{')) { continue; }  // a library's chatter
    std::optional<Json> answer = Json::try_parse(said);
    VOX_CHECK(answer, "{}: the answer is no JSON: {}", name_, start_of(said));
    return *std::move(answer);
  }
}

Json Child::ask(const Json& question, double limit_s) {
  VOX_CHECK(gone_.empty(), "{}", gone_);
  Json answer;
  try {
    send_line(question);
    answer = read_answer(limit_s);
  } catch (const Error& e) {
    gone_ = e.what();  // an answer that comes late would be taken for that to the next question
    end();
    throw;
  }
  if (const Json* const error = answer.find("error")) {
    VOX_FAIL("{}",
             error->is_string() ? error->get<std::string>() : fmt::format("{}: error {}", name_, json_text(*error)));
  }
  const std::string fault = fault_of(answer, question.value("do", ""));
  VOX_CHECK(fault.empty(), "{}: answers {} by {}: {} (benchmarks/README.md)", name_, question.value("do", ""),
            start_of(json_text(answer)), fault);
  return answer;
}

int run_program(const std::vector<std::string>& command) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int output : {STDOUT_FILENO, STDERR_FILENO}) {
    posix_spawn_file_actions_addopen(&actions, output, "/dev/null", O_WRONLY, 0);
  }
  std::vector<std::string> words = command;
  pid_t process = 0;
  const int error = posix_spawnp(&process, words.front().c_str(), &actions, nullptr, pointers(words).data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) { return -1; }
  int status = 0;
  while (waitpid(process, &status, 0) == -1 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace vox::bench
