#pragma once

#include <cstddef>
#include <span>

namespace vox {

// A mapped file that another program cuts short, or whose disk fails, has pages without bytes behind them: whoever
// reads one gets SIGBUS, in the middle of whatever loop. No C++ exception can come out of that. A program may end with
// a message instead of a crash; a library leaves the signal alone, so that is for main() to ask for.

/// From now on a read from such a page of a watched mapping prints "NAME: FILE: ..." to stderr and ends the process
/// with that code, at once, without destructors. Any other SIGBUS ends it as before. name: of static lifetime.
void end_on_lost_pages(const char* name, int code);

/// Tells which file lies where, until forget_mapping(). file: lives as long. From any thread.
void watch_mapping(std::span<const std::byte>, const char* file);
void forget_mapping(std::span<const std::byte>);

}  // namespace vox
