#include "kernels/base/sanitizer.h"

#ifdef VOX_ADDRESS_SANITIZER

// LeakSanitizer asks for this by name. PMIx, by which Open MPI starts, keeps a few hundred bytes until the
// process ends.
extern "C" const char* __lsan_default_suppressions();                           // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() { return "leak:pmix\n"; }  // NOLINT

#endif
