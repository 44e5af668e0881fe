#pragma once

#include <dlfcn.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// A shared library that is preloaded in front of the C library (LD_PRELOAD): it counts calls of the program, writes a
/// trace of them, and lets the n-th fail. README.md says what the environment's variables are.
namespace vox::faults {

enum class Kind : std::uint8_t { file, memory, thread };

/// What happens to the call that is chosen.
enum class Fault : std::uint8_t {
  none,
  error,     ///< it fails, nothing is done; Call::number says with which errno
  shorter,   ///< read or write: half of the bytes, at least one
  torn,      ///< write: half of the bytes, then SIGKILL
  killed,    ///< SIGKILL before it
  truncate,  ///< mmap: the file loses its second half once it is mapped; else just before the call
  stopped,   ///< SIGSTOP before it: whoever watches does something to the disk and lets it go on
  vanish,    ///< the file is removed just before the call
};

/// One call that is counted: it asks what is to happen, is done, and is written down when it goes out of scope.
class Call {
 public:
  Call(Kind, std::string_view name, std::string_view path, std::string_view other = {});
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  [[nodiscard]] Fault fault() const { return fault_; }
  [[nodiscard]] int number() const { return number_; }
  /// Whether the call is to fail now; errno is then set.
  [[nodiscard]] bool fails() const;
  /// Of so many bytes, how many are to be asked for.
  [[nodiscard]] std::size_t bytes(std::size_t wanted) const;
  /// The bytes that were written, at which place (-1: the end), for the trace.
  void wrote(const void* data, long count, long at);
  /// What the call returned, for the trace: a length, a place or a flag.
  template <class T> T returns(T value) {
    result_ = static_cast<long>(value);
    return value;
  }

 private:
  Kind kind_;
  std::string_view name_;
  std::string_view path_;
  std::string_view other_;
  Fault fault_ = Fault::none;
  int number_ = 0;
  std::uint64_t count_ = 0;  ///< 0: not counted
  long result_ = 0;
  const void* data_ = nullptr;
  long written_ = 0;
  long at_ = -1;
};

/// A path under one of the folders, made absolute; empty where it is not, or where nothing is counted.
class Watched {
 public:
  explicit Watched(const char* path, int folder = -100);  // AT_FDCWD
  explicit Watched(int descriptor);
  [[nodiscard]] std::string_view path() const { return {text_, length_}; }
  explicit operator bool() const { return length_ != 0; }

 private:
  void keep_if_watched();

  static constexpr std::size_t kLongest = 1024;
  char text_[kLongest];
  std::size_t length_ = 0;
};

/// Whether calls of this kind are counted here: not in programs that ours starts, nor within the library itself.
[[nodiscard]] bool counts(Kind);
/// From how many bytes on an allocation is counted.
[[nodiscard]] std::size_t counted_bytes();

/// The function that would have been called.
template <class F> F* next(const char* name) { return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name)); }

}  // namespace vox::faults

/// The real one, looked up once.
#define VOX_REAL(NAME) static auto* const real = vox::faults::next<decltype(NAME)>(#NAME)
