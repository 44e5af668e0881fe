#include "benchmarks/gpu/report.h"

#include <fmt/format.h>

#include <cstdio>

#include "engine/atomic_file.h"
#include "engine/json.h"
#include "engine/json_text.h"

namespace vox::gpu_bench {
namespace {

double gflop_per_s(const Result& r) { return r.us.median > 0 ? r.flops / r.us.median / 1e3 : 0; }
double gb_per_s(const Result& r) { return r.us.median > 0 ? r.bytes / r.us.median / 1e3 : 0; }

std::string percent(double part, double whole) {
  return part > 0 && whole > 0 ? fmt::format("{:.1f}", 100 * part / whole) : "-";
}

std::string ratio(const Result& r, const char* rival) {
  const auto found = r.rivals.find(rival);
  return found == r.rivals.end() ? "-" : fmt::format("{:.2f}", found->second.ratio.median);
}

Json json_of(const Spread& s) { return {{"median", s.median}, {"lowest", s.lowest}, {"highest", s.highest}}; }

Json json_of(const Result& r, const Ceilings& ceilings) {
  Json j{{"kernel", r.plan.kernel}, {"shape", r.plan.shape}, {"dtype", name(r.plan.dtype)}, {"batch", r.plan.batch}};
  if (!r.error.empty()) {
    j["error"] = r.error;
    return j;
  }
  j["us"] = json_of(r.us);
  j["bytes"] = r.bytes;
  j["gb_per_s"] = gb_per_s(r);
  j["share_of_copy"] = gb_per_s(r) / ceilings.copy_gb_per_s;
  j["peak_bytes"] = r.peak_bytes;
  if (r.flops > 0) {
    j["algorithm"] = r.algorithm;
    j["flops"] = r.flops;
    j["gflop_per_s"] = gflop_per_s(r);
    j["share_of_flops"] = gflop_per_s(r) / ceilings.gflop_per_s(r.plan.dtype);
  }
  for (const auto& [rival, result] : r.rivals) {
    j["rivals"][rival] = {{"us", result.us}, {"ratio", json_of(result.ratio)}};
  }
  return j;
}

}  // namespace

void print_head(const Machine& m, const MeasureOptions& o) {
  fmt::print("# {}; CUDA {}; cuDNN {}; cuBLAS {}\n", m.device, m.cuda, m.cudnn, m.cublas);
  fmt::print(
      "# ceilings: copy {:.0f} GB/s, L2 {:.0f} GB/s, launch {:.2f} us, f32 multiply-adds {:.0f} GFLOP/s, bf16 mma.sync "
      "{:.0f} GFLOP/s\n",
      m.ceilings.copy_gb_per_s, m.ceilings.cached_gb_per_s, m.ceilings.launch_us, m.ceilings.f32_gflop_per_s,
      m.ceilings.tensor_gflop_per_s);
  fmt::print("# {} rounds, L2 {}; ratios are theirs / ours, above 1 ours is faster\n", o.rounds,
             o.flush ? "flushed before each call" : "warm");
  fmt::print("{:<25}{:<15}{:>5}{:>4} {:<12}{:>10}{:>7}{:>10}{:>9}{:>7}{:>7}{:>9}", "# kernel", "shape", "type", "n",
             "algorithm", "us", "+-%", "GFLOP/s", "GB/s", "%flops", "%copy", "MiB");
  for (const char* const rival : kRivalNames) { fmt::print("  {}", rival); }
  fmt::print("\n");
}

void print_row(const Machine& m, const Result& r) {
  fmt::print("{:<25}{:<15}{:>5}{:>4} ", r.plan.kernel, r.plan.shape, name(r.plan.dtype), r.plan.batch);
  if (!r.error.empty()) {
    fmt::print("{}\n", r.error);
  } else {
    const double spread = 50 * (r.us.highest - r.us.lowest) / r.us.median;
    fmt::print("{:<12}{:>10.1f}{:>7.1f}{:>10.0f}{:>9.1f}{:>7}{:>7}{:>9.1f}", r.algorithm, r.us.median, spread,
               gflop_per_s(r), gb_per_s(r), percent(gflop_per_s(r), m.ceilings.gflop_per_s(r.plan.dtype)),
               percent(gb_per_s(r), m.ceilings.copy_gb_per_s), static_cast<double>(r.peak_bytes) / 0x1p20);
    for (const char* const rival : kRivalNames) {
      fmt::print("  {:>{}}", ratio(r, rival), std::char_traits<char>::length(rival));
    }
    fmt::print("\n");
  }
  static_cast<void>(std::fflush(stdout));  // a run that is stopped keeps its lines
}

void write_json(const std::string& path, const Machine& m, const MeasureOptions& o,
                const std::vector<Result>& results) {
  Json j{{"device", m.device},
         {"cuda", m.cuda},
         {"cudnn", m.cudnn},
         {"cublas", m.cublas},
         {"l2_flushed", o.flush},
         {"rounds", o.rounds},
         {"ceilings",
          {{"copy_gb_per_s", m.ceilings.copy_gb_per_s},
           {"cached_gb_per_s", m.ceilings.cached_gb_per_s},
           {"launch_us", m.ceilings.launch_us},
           {"f32_gflop_per_s", m.ceilings.f32_gflop_per_s},
           {"tensor_gflop_per_s", m.ceilings.tensor_gflop_per_s}}},
         {"results", Json::array()}};
  for (const Result& r : results) { j["results"].push_back(json_of(r, m.ceilings)); }
  write_file(path, json_text(j.sorted(), 1) + '\n');
}

}  // namespace vox::gpu_bench
