#include <fmt/core.h>

#include <cmath>

#include "benchmarks/measure/machine.h"
#include "benchmarks/rivals/kernel_rivals.h"
#include "benchmarks/verbs/kernel_options.h"
#include "engine/allocator.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

/// What has not been written is NaN in every new block while this lives.
class NanInFreshMemory {
 public:
  NanInFreshMemory() { set_fresh_memory(FreshMemory::nan); }
  ~NanInFreshMemory() { set_fresh_memory(FreshMemory::as_found); }
  NanInFreshMemory(const NanInFreshMemory&) = delete;
  NanInFreshMemory& operator=(const NanInFreshMemory&) = delete;
};

/// ||got - wants|| / ||wants||; NaN where a value is.
double relative_error(const std::vector<double>& got, const std::vector<double>& wants) {
  VOX_CHECK(got.size() == wants.size(), "{} values, the definition makes {}", got.size(), wants.size());
  double off = 0;
  double all = 0;
  for (std::size_t i = 0; i < wants.size(); ++i) {
    off += (got[i] - wants[i]) * (got[i] - wants[i]);
    all += wants[i] * wants[i];
  }
  return std::sqrt(off / all);
}

/// What two ways may differ by. Sums of n products in another order differ by some roundings of the accumulator, which
/// grow as sqrt(n). Both results are rounded to the storage type: where that is coarser, few land on different sides,
/// a share of (difference / rounding), and each of those is off by one rounding. AMX has f32 as two bf16, 16 bits;
/// Winograd's transforms enlarge roundings, by up to sixteen here. Eight times what is expected.
double allowed_error(const KernelSpec& spec, const std::string& algorithm, double products) {
  const double accumulator = spec.dtype == DType::f64 ? 0x1p-53 : 0x1p-24;
  double sums = accumulator * std::sqrt(products);
  if (algorithm == "winograd") { sums *= 16; }
  if (algorithm == "amx" && spec.dtype == DType::f32) { sums += 0x1p-16; }
  const bool stored_coarsely = spec.dtype == DType::bf16 && spec.pass != Pass::grad_weight;
  return 8 * (sums + (stored_coarsely ? std::sqrt(0x1p-9 * sums) : 0));
}

}  // namespace

void compare_values(const KernelOptions& o) {
  if (o.common.threads > 0) { cpu_queue().threads = o.common.threads; }
  const Deadline deadline(o.common.seconds);
  const Device device = select_device(o.common.device);
  Report report({.json = o.common.json, .csv = o.common.csv, .page = o.common.page});
  report.head(machine_facts(device));
  report.head({{"error", "of all values together, relative to those of the definition: ||ours - its|| / ||its||"}});
  report.table({{.heading = "operator", .width = 22, .text = true},
                {.heading = "pass", .width = 11, .text = true},
                {.heading = "shape", .width = 15, .text = true},
                {.heading = "n", .width = 1},
                {.heading = "type", .width = 4, .text = true},
                {.heading = "algorithm", .width = 11, .text = true},
                {.heading = "isa", .width = 8, .text = true},
                {.heading = "error", .width = 9},
                {.heading = "allowed", .width = 9},
                {.heading = "is", .width = 5, .text = true}});
  std::vector<KernelSpec> rows = rows_of(o);
  std::erase_if(rows, [](const KernelSpec& r) { return !has_pass(r.op, Pass::grad_weight); });
  VOX_CHECK(!rows.empty(), "--values: is for convolutions, and no line has one");
  int compared = 0;
  int wrong = 0;
  std::size_t begun = 0;
  const NanInFreshMemory nan;
  for (; begun < rows.size() && !deadline.passed(); ++begun) {
    const KernelSpec& r = rows[begun];
    release_unused(device);
    try {
      const KernelCase ours(r, device);
      const auto values = [&](const Way& way) {
        const WayScope scope(way);
        return ours.values();
      };
      const std::vector<double> wants = values({.isa = best_isa(), .conv = ConvChoice::definition});
      for (const Way& way : different_ways(ways_of(o), ours)) {
        const WayScope scope(way);
        const std::string algorithm = ours.algorithm();
        const double allowed = allowed_error(r, algorithm, ours.products_per_value());
        const double error = relative_error(values(way), wants);
        const bool fine = error <= allowed;  // NaN is not
        ++compared;
        wrong += fine ? 0 : 1;
        Json record = record_of(r);
        record.update({{"algorithm", algorithm}, {"isa", name(way.isa)}, {"allowed", allowed}, {"right", fine}});
        if (std::isfinite(error)) { record["error_of_values"] = error; }
        std::vector<std::string> cells = cells_of(r);
        cells.insert(cells.end(), {algorithm, device == Device::cpu ? name(way.isa) : "-", fmt::format("{:.2e}", error),
                                   fmt::format("{:.2e}", allowed), fine ? "right" : "WRONG"});
        report.row(record, cells);
      }
    } catch (const Error& e) { report.failed(record_of(r), cells_of(r), e.what()); }
  }
  report.remark(fmt::format("{} compared, {} wrong", compared, wrong));
  report.not_begun(rows.size() - begun);
  report.finish();
  VOX_CHECK(wrong == 0, "{} of {} results differ from the definition's by more than roundings", wrong, compared);
}

}  // namespace vox::bench
