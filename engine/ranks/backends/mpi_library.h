#pragma once

// The C++ bindings that MPI 3 has dropped
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#if defined(OPEN_MPI) && OPEN_MPI && defined(__has_include)
#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif
#endif

namespace vox::mpi {

/// Throws RankLost: once MPI has begun, its calls fail where the connection to a rank does.
void check(int code, const char* call);
#define VOX_MPI(call) ::vox::mpi::check(call, #call)

}  // namespace vox::mpi
