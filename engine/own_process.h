#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace vox {

/// "ended by signal 11 (Segmentation fault)".
[[nodiscard]] std::string end_by_signal(int signal);

/// Lowers a limit of this process, RLIMIT_..., where it is higher.
void lower_limit(int resource, std::uint64_t most);

/// How a process of its own came to its end.
struct ProcessEnd {
  std::string answer{};  ///< what its work returned; what it said by then, where it was ended by a signal
  int signal = 0;        ///< that ended it
  std::string failed{};  ///< end_by_signal(), "gave no answer", ...; empty where it answered
};

/// What work() returns, made by a process of its own, for libraries whose crash shall not be this one's. It begins with
/// all that this process has in memory (fork), what it changes there is gone with it, and of the threads it has one: no
/// parallel_for. It ends with this process, and after so many seconds of processor time. `to` is the descriptor by
/// which it answers. An Error of work() is thrown here, of the kinds Error, DataError and MemoryError; memory that ran
/// out is a MemoryError that begins with `what`, and so is a process that could not be started.
[[nodiscard]] ProcessEnd in_own_process(const std::string& what, unsigned most_seconds,
                                        const std::function<std::string(int to)>& work);

}  // namespace vox
