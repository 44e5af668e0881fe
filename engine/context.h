#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/types.h"
#include "kernels/base/queue.h"

namespace vox {

/// The calling thread's queues. cpu_queue() starts with every core and the best instruction set of this machine.
[[nodiscard]] CpuQueue& cpu_queue();
[[nodiscard]] CudaQueue& cuda_queue();
[[nodiscard]] SimtQueue& simt_queue();

/// "cpu", "simt", "cuda" or "cuda:N", N the number of a GPU: makes that GPU the calling thread's; "cuda" is the first,
/// and on several ranks of a host one for each. Throws Error saying what is missing: the build, the driver, a GPU, or
/// that one.
Device select_device(std::string_view text);
/// The same without selecting one: what kind of device the text names, be it there or not.
[[nodiscard]] Device device_kind(std::string_view text);

/// "cpu: 2 threads, avx2", "cuda: NVIDIA H200, …": where work runs, for the user.
[[nodiscard]] std::string describe(Device);

/// The instruction sets this build has kernels for and this CPU runs, slowest first: each runs where the next one does.
[[nodiscard]] std::span<const Isa> runnable_isas();
[[nodiscard]] Isa best_isa();                   ///< the last of them
[[nodiscard]] const char* name(Isa);            ///< "baseline", "avx2", "avx512", "amx"
[[nodiscard]] Isa isa_named(std::string_view);  ///< throws Error naming those that run here
[[nodiscard]] int hardware_threads();           ///< cores this process may use; of several ranks, its share
void set_hardware_threads(int threads);         ///< what hardware_threads() says from now on: engine/ranks/world.h
[[nodiscard]] int threads_or_all(int threads);  ///< 0 means hardware_threads()
void set_default_threads(int threads);  ///< for queues of threads that have not used theirs yet, and the caller's

/// The option --conv. For queues of threads that have not used theirs yet, and the caller's. A thread's queues of all
/// devices have the ConvChoice of its cpu_queue().
void set_conv_choice(std::string_view);
[[nodiscard]] ConvChoice conv_choice_named(std::string_view);  ///< throws Error naming those there are
[[nodiscard]] const char* name(ConvChoice);                    ///< "auto", "direct", "winograd", "amx", "definition"

}  // namespace vox
