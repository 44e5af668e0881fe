#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <new>
#include <vector>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tools/interchange/confined.h"
#include "tools/interchange/keras_bytes.h"

namespace vox::test {
namespace {

const Confinement kSmall{.prepare = nullptr, .what = "made up", .most_bytes = std::size_t{1} << 27U, .most_seconds = 1};

/// What is left of a call of the system in there.
std::string error_of(const std::function<long()>& call) {
  return confined(kSmall, [&] { return call() < 0 ? std::to_string(errno) : std::string("done"); });
}

}  // namespace

TEST_CASE("a confined process gives what it computes, and what it refuses", "[confined]") {
  CHECK(confined(kSmall, [] { return std::string(); }).empty());
  const std::string large = confined(kSmall, [] { return std::string(3'000'001, 'x'); });
  CHECK(large == std::string(3'000'001, 'x'));
  CHECK_THROWS_WITH(confined(kSmall, []() -> std::string { VOX_FAIL_DATA("file: damaged"); }),
                    Catch::Matchers::Equals("file: damaged"));
  CHECK_THROWS_AS(confined(kSmall, []() -> std::string { throw std::bad_alloc(); }), MemoryError);
  Confinement prepared = kSmall;
  prepared.prepare = [] { VOX_FAIL("no library"); };
  CHECK_THROWS_WITH(confined(prepared, [] { return std::string(); }), Catch::Matchers::Equals("no library"));
  bool opened = false;
  prepared.prepare = [&] { opened = open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0; };
  CHECK(confined(prepared, [&] { return std::string(opened ? "opened" : "refused"); }) == "opened");
}

TEST_CASE("a confined process that crashes or never ends is an error", "[confined]") {
  CHECK_THROWS_WITH(confined(kSmall, []() -> std::string { __builtin_trap(); }),
                    ContainsSubstring("made up: ended by signal"));
  CHECK_THROWS_WITH(confined(kSmall, []() -> std::string { _exit(0); }), ContainsSubstring("made up: gave no answer"));
  CHECK_THROWS_WITH(confined(kSmall,
                             []() -> std::string {
                               for (std::atomic<int> i = 0;;) { ++i; }
                             }),
                    ContainsSubstring("made up: took more than 1 s of processor time"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)  // sanitizers reserve terabytes
  CHECK_THROWS_AS(confined(kSmall,
                           [] {
                             const std::vector<char> much(std::size_t{1} << 30U, 'x');
                             return std::string(much.begin(), much.begin() + 1);
                           }),
                  MemoryError);
#endif
}

TEST_CASE("a confined process opens, starts and sends nothing", "[confined]") {
  if (!confines()) {
    WARN("skipped: the kernel has no seccomp, or a sanitizer is in the way");
    return;
  }
  const std::string refused = std::to_string(EPERM);
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  REQUIRE(null >= 0);
  CHECK(error_of([] { return open("/dev/null", O_RDONLY | O_CLOEXEC); }) == refused);
  CHECK(error_of([&] { return write(null, "x", 1); }) == refused);
  CHECK(error_of([] { return socket(AF_UNIX, SOCK_STREAM, 0); }) == refused);
  CHECK(error_of([] { return fork(); }) == refused);
  CHECK(error_of([] { return unlink("/nowhere/at/all"); }) == refused);
  CHECK(error_of([] { return execl("/bin/true", "true", nullptr); }) == refused);
  CHECK(error_of([] {
          void* const page = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          return page == MAP_FAILED ? -1L : 0L;
        }) == refused);
  close(null);
}

TEST_CASE("bytes that are no model of Keras are refused", "[confined][hostile]") {
  KerasModel model{.layers = {}, .norm_eps = 1e-5};
  model.layers.push_back(
      {.kind = KerasLayer::Kind::up, .name = "up", .weights = {{.shape = {1, 2}, .values = {3, 4}}}});
  model.layers.push_back({.kind = KerasLayer::Kind::conv, .name = "", .weights = {{.shape = {}, .values = {5}}}});
  const std::string bytes = to_bytes(model);
  const KerasModel back = keras_of_bytes(bytes, "there");
  CHECK(to_bytes(back) == bytes);
  CHECK(back.layers.at(0).weights.at(0).values == std::vector<float>{3, 4});
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    INFO(n << " of " << bytes.size() << " bytes");
    CHECK_THROWS_AS(keras_of_bytes(std::string_view(bytes).substr(0, n), "there"), DataError);
  }
  CHECK_THROWS_AS(keras_of_bytes(bytes + "x", "there"), DataError);
  for (std::size_t i = 0; i < bytes.size(); ++i) {  // any byte may be anything: an error or a model, no more
    std::string changed = bytes;
    changed[i] = static_cast<char>(0xFF);
    try {
      static_cast<void>(keras_of_bytes(changed, "there"));
    } catch (const DataError&) { continue; }
  }
}

}  // namespace vox::test
