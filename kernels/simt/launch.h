#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>

#include "kernels/base/queue.h"
#include "kernels/simt/builtins.h"
#include "kernels/simt/calls.h"
#include "kernels/simt/recording.h"

namespace vox::simt {

struct Argument {
  const void* data;
  std::size_t bytes;
};

struct Launch {
  const void* kernel;
  const char* name;
  Site at;
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes;
  std::span<const Argument> arguments;
};

/// Kernel and arguments, to be called once per thread.
struct Body {
  void (*call)(void* closure);
  void* closure;
  std::size_t closure_bytes;
};

/// Runs every thread of every block. Throws vox::Error with what was found: kernel, source line, block and thread.
void run(const Launch&, const Body&);
[[nodiscard]] std::int64_t launches();  ///< since the program began, without those of replays

/// Why hardware refuses a launch with so much shared memory, or empty: see kernels/base/shared_memory.h.
[[nodiscard]] std::string shared_excess(std::size_t static_bytes, std::size_t dynamic_bytes, std::size_t limit_bytes);

/// Where it is set, launches go there instead: the tests run what nvcc made of the same kernel.
using Interpreter = void (*)(const Launch&);
void set_interpreter(Interpreter);
[[nodiscard]] Interpreter interpreter();

template <class... P> struct Closure {
  void (*kernel)(P...);
  std::tuple<std::decay_t<P>...> arguments;
};

/// Not instrumented: reading the arguments is the launch's doing, not the kernel's.
template <class... P> __attribute__((no_sanitize("thread"))) void call_kernel(void* closure) {
  auto& c = *static_cast<Closure<P...>*>(closure);
  std::apply(c.kernel, c.arguments);
}

}  // namespace vox::simt

namespace vox::gpu {

template <class... P, class... A>
void launch(const SimtQueue&, const char* name, const char* file, int line, void (*kernel)(P...), dim3 grid, dim3 block,
            std::size_t shared_bytes, A... a) {
  simt_device::submit([=, closure = simt::Closure<P...>{kernel, {static_cast<std::decay_t<P>>(a)...}}]() mutable {
    std::apply(
        [&](const auto&... v) {
          // NOLINTNEXTLINE(bugprone-sizeof-expression): arguments are pointers, too
          const simt::Argument arguments[] = {{&v, sizeof v}..., {nullptr, 0}};
          const simt::Launch what{reinterpret_cast<const void*>(kernel),
                                  name,
                                  {file, line, nullptr},
                                  grid,
                                  block,
                                  shared_bytes,
                                  {arguments, sizeof...(P)}};
          if (simt::interpreter() != nullptr) { return simt::interpreter()(what); }
          simt::run(what, {&simt::call_kernel<P...>, &closure, sizeof closure});
        },
        closure.arguments);
  });
}

}  // namespace vox::gpu
