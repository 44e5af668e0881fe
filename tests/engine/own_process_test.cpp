#include "engine/own_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <new>
#include <string>

#include "kernels/base/check.h"
#include "tests/support/catch.h"

namespace vox::test {
namespace {

ProcessEnd end_of(const std::function<std::string(int)>& work) { return in_own_process("made up", 1, work); }

}  // namespace

TEST_CASE("a process of its own answers with any bytes, and changes nothing here", "[own_process]") {
  std::string here = "as it was";
  const ProcessEnd end = end_of([&](int) {
    here = "changed";
    return std::string(200'001, '\0') + here;  // more than a pipe holds
  });
  CHECK(end.failed.empty());
  CHECK(end.signal == 0);
  CHECK(end.answer == std::string(200'001, '\0') + "changed");
  CHECK(here == "as it was");
  CHECK(end_of([](int) { return std::string(); }).failed.empty());
}

TEST_CASE("errors of a process of its own are thrown here, as what they are", "[own_process]") {
  CHECK_THROWS_AS(end_of([](int) -> std::string { VOX_FAIL_DATA("file: damaged"); }), DataError);
  CHECK_THROWS_WITH(end_of([](int) -> std::string { throw std::bad_alloc(); }),
                    Catch::Matchers::Equals("made up: out of memory"));
  CHECK_THROWS_AS(end_of([](int) -> std::string { throw std::bad_alloc(); }), MemoryError);
  try {
    static_cast<void>(end_of([](int) -> std::string { VOX_FAIL("refused"); }));
    FAIL("no error");
  } catch (const DataError&) { FAIL("a DataError"); } catch (const Error& e) {
    CHECK(std::string(e.what()) == "refused");
  }
}

TEST_CASE("a process of its own that ends before it has answered is told of, and waited for", "[own_process]") {
  const ProcessEnd killed = end_of([](int to) -> std::string {
    const std::string number = std::to_string(getpid());
    kill(getpid(), write(to, number.data(), number.size()) > 0 ? SIGKILL : SIGTERM);
    return "never";
  });
  CHECK(killed.signal == SIGKILL);
  CHECK(killed.failed == "ended by signal 9 (Killed)");
  CHECK(waitpid(std::stoi(killed.answer), nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
  const ProcessEnd endless = end_of([](int) -> std::string {
    for (std::atomic<int> i = 0;;) { ++i; }
  });
  CHECK(endless.signal == SIGXCPU);
  CHECK(endless.failed == "took more than 1 s of processor time");
  for (const char* said : {"", "r", "rest", "x", "no answer"}) {  // what it says by itself is none, as it ends with 3
    INFO("says '" << said << "'");
    const ProcessEnd end =
        end_of([&](int to) -> std::string { _exit(write(to, said, std::string(said).size()) < 0 ? 4 : 3); });
    CHECK(end.signal == 0);
    CHECK(end.failed == "gave no answer");
  }
  const ProcessEnd other = end_of([](int to) -> std::string { _exit(write(to, "x", 1) == 1 ? 0 : 1); });
  CHECK(other.failed == "gave no answer");
}

TEST_CASE("a process of its own does not outlive the one that waits for it", "[own_process]") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t waiting = fork();
  if (waiting == 0) {
    static_cast<void>(end_of([](int) -> std::string { return std::to_string(pause()); }));
    _exit(0);
  }
  close(ends[1]);  // the two others have it, until both have ended
  kill(waiting, SIGKILL);
  char byte = 0;
  CHECK(read(ends[0], &byte, 1) == 0);
  close(ends[0]);
  waitpid(waiting, nullptr, 0);
}

}  // namespace vox::test
