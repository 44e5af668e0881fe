#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace vox {

struct Confinement {
  std::function<void()> prepare;  ///< in the process while it may do anything yet: opens libraries
  std::string what;               ///< begins the message where it ended by a signal, took too long or gave no answer
  std::size_t most_bytes = 0;     ///< of memory, more than this process has; not under a sanitizer
  unsigned most_seconds = 60;     ///< of processor time
};

/// What work() returns, made by a process of its own that can do no harm: for libraries that are not safe with files of
/// strangers. It can compute, take memory and answer; it can open, read, write, start or send nothing (Linux' seccomp;
/// where confines() is false it is a process of its own and no more). An Error of prepare() or work() is thrown here,
/// of the kinds Error, DataError and MemoryError, a DataError where it did not come to an answer, a MemoryError where
/// no process can be started.
[[nodiscard]] std::string confined(const Confinement&, const std::function<std::string()>& work);

/// Whether it can do no harm: the kernel has seccomp, and no sanitizer is compiled in, which has to reserve terabytes,
/// open pipes and write messages.
[[nodiscard]] bool confines();

}  // namespace vox
