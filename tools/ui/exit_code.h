#pragma once

namespace vox {

/// Ends the program with this code after what had to be said was said: `check` with findings, Ctrl-C.
struct ExitCode {
  int code;
};

}  // namespace vox
