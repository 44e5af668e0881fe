#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vox {

// Output that cannot be written ends the program with exit 2, but not always at once: a run of days goes on when the
// disk below its printed lines is full, writes its checkpoints, and says so at the end.

/// The descriptors 0, 1 and 2, where they were closed, are opened so that using them fails. Else the first files opened
/// would get these numbers, and messages would be written into them.
void hold_standard_descriptors();

/// From now on who reads what is printed may go (SIGPIPE): the work goes on and ends as where stdout is full.
void outlive_readers();

/// From now on what goes to stdout is gone: of several ranks the first speaks for all.
void silence_stdout();

/// To stdout, at once. Never throws: what cannot be written is remembered.
void write_stdout(std::string_view text);
template <class... T> void print_safely(fmt::format_string<T...> text, T&&... values) {
  write_stdout(fmt::format(text, std::forward<T>(values)...));
}

/// To stderr. Never throws: there is nowhere to say that it failed.
void write_stderr(std::string_view text);

/// Remembers that an output could not be written, each message once.
void note_failed_output(const std::string& message);
void note_failed_stdout(int error_number);
/// Flushes stdout. Returns what was remembered, and that stdout failed where it did; nothing where all was written.
[[nodiscard]] std::vector<std::string> finish_output();

}  // namespace vox
