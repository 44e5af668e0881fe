#include "benchmarks/rivals/onednn/work.h"

#include <algorithm>
#include <cstring>

#include "benchmarks/measure/probes.h"

namespace vox::onednn {

using dnnl::memory;

Work::Work() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

memory Work::make(const memory::desc& layout) {
  memory m(layout, engine_);
  const std::size_t bytes = layout.get_size();
  if (bytes == 0) { return m; }
  auto* const values = m.map_data<unsigned char>();
  std::memset(values, 0, bytes);
  if (layout.get_data_type() == memory::data_type::f32) {
    auto* const floats = reinterpret_cast<float*>(values);
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < bytes / sizeof(float); ++i) {
      state = state * 1664525U + 1013904223U;  // D. Knuth, TAOCP 2, of Numerical Recipes
      floats[i] = static_cast<float>(state >> 8U) * 0x1p-24F - 0.5F;
    }
  }
  m.unmap_data(values);
  return m;
}

memory Work::as(const memory& from, const memory::desc& wanted) {
  if (from.get_desc() == wanted) { return from; }
  const memory to = make(wanted);
  way += way.empty() ? "reorder" : ", reorder";
  then(dnnl::reorder(from, to), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  return to;
}

void Work::then(const dnnl::primitive& primitive, Arguments arguments) {
  steps_.emplace_back(primitive, std::move(arguments));
}

bench::Times Work::run(std::int64_t calls, bench::Cache cache) {
  bench::Times total;
  for (std::int64_t i = 0; i < calls; ++i) {
    if (cache == bench::Cache::flushed) { bench::flush_level2(Device::cpu); }
    total += bench::measured([&] {
      for (const auto& [primitive, arguments] : steps_) { primitive.execute(stream_, arguments); }
      stream_.wait();
    });
  }
  return total;
}

}  // namespace vox::onednn
