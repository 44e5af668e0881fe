#include "kernels/base/sanitizer.h"

#ifdef VOX_ADDRESS_SANITIZER

// LeakSanitizer asks for this by name. Fontconfig, behind Cairo's text, keeps a few hundred bytes until the process
// ends, Open MPI and its libraries some ten thousand.
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libfontconfig\nleak:libmpi\nleak:libopen-pal\nleak:libopen-rte\nleak:mca_\nleak:pmix\n";
}  // NOLINT

#endif
