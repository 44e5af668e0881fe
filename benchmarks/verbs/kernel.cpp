#include <algorithm>
#include <memory>

#include "benchmarks/verbs/kernel_options.h"
#include "kernels/base/check.h"

namespace vox::bench {
std::vector<KernelSpec> rows_of(const KernelOptions& o) {
  std::vector<KernelSpec> rows;
  const auto wanted = [](const std::vector<std::string>& list, std::string_view word) {
    return list.empty() || std::ranges::find(list, word) != list.end();
  };
  for (const std::string& op : o.ops) { static_cast<void>(op_named(op)); }
  for (const std::int64_t batch : o.batches) {
    for (const std::string& dtype : o.dtypes) {
      std::vector<KernelSpec> all;
      for (const std::int64_t size : o.sizes) {
        if (o.shapes.empty()) {
          std::ranges::move(seed_rows(size, batch, dtype_named(dtype), o.widths), std::back_inserter(all));
        }
      }
      VOX_CHECK(o.shapes.empty() || !o.ops.empty(), "--shape: wants --op as well: whose shape it is");
      for (const std::string& shape : o.shapes) {
        for (const std::string& op : o.ops) {
          for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
            if (!has_pass(op_named(op), pass)) { continue; }
            all.push_back({op_named(op), pass, parse_shape(shape), batch, dtype_named(dtype)});
          }
        }
      }
      std::erase_if(all,
                    [&](const KernelSpec& r) { return !wanted(o.ops, name(r.op)) || !wanted(o.passes, name(r.pass)); });
      std::ranges::move(all, std::back_inserter(rows));
    }
  }
  VOX_CHECK(!rows.empty(), "no line is left: there is no such pass of that operator");
  return rows;
}

std::vector<Way> ways_of(const KernelOptions& o) {
  std::vector<Isa> isas{best_isa()};
  const std::vector<std::string> all{"all"};
  if (o.common.isa == all) {
    isas.assign(runnable_isas().begin(), runnable_isas().end());
  } else if (!o.common.isa.empty()) {
    isas.clear();
    std::ranges::transform(o.common.isa, std::back_inserter(isas), isa_named);
  }
  std::vector<ConvChoice> choices{ConvChoice::automatic, ConvChoice::direct, ConvChoice::winograd, ConvChoice::amx};
  if (o.common.conv != all) {
    choices.clear();
    std::ranges::transform(o.common.conv, std::back_inserter(choices), conv_choice_named);
  }
  std::vector<Way> ways;
  for (const Isa isa : isas) {
    for (const ConvChoice conv : choices) { ways.push_back({.isa = isa, .conv = conv}); }
  }
  return ways;
}

std::vector<Way> different_ways(const std::vector<Way>& ways, const KernelCase& c) {
  std::vector<Way> kept;
  std::vector<std::pair<Isa, std::string>> seen;
  for (const Way& way : ways) {
    const WayScope scope(way);
    const std::pair<Isa, std::string> is{way.isa, c.algorithm()};
    if (std::ranges::find(seen, is) != seen.end()) { continue; }
    seen.push_back(is);
    kept.push_back(way);
  }
  return kept;
}

std::vector<std::string> cells_of(const KernelSpec& r) {
  return {std::string(name(r.op)), std::string(name(r.pass)), text_of(r.shape), std::to_string(r.batch),
          std::string(name(r.dtype))};
}

void add_kernel_verb(Command bench) {
  const Command verb = bench.command("kernel", "Every operator: time, rates, share of the roofline, rivals");
  const auto o = std::make_shared<KernelOptions>();
  o->common.rounds = 9;
  verb.option("--op", o->ops, "operators, as conv3d or batch_norm; without it all").delimiter(',');
  verb.option("--shape", o->shapes,
              "channels, -channels out, @extents: 16-32@128^3, 16+16-16@64^3, 16@155x240x240, 16-4@128^3k1, "
              "16-32@64^3s2; without "
              "it the seed network's own")
      .delimiter(',');
  verb.option("--pass", o->passes).delimiter(',').one_of({"forward", "grad-input", "grad-weight"});
  verb.option("--dtype", o->dtypes).delimiter(',').one_of({"f32", "f64", "bf16"});
  verb.option("--size", o->sizes, "of the network's images, for its shapes").delimiter(',').positive();
  verb.option("--batch", o->batches).delimiter(',').positive();
  verb.option("--widths", o->widths, "of the network: channels per level, shallow to deep").delimiter(',').positive();
  verb.option("--l2", o->cache, "before each call").one_of({"flushed", "warm"});
  verb.option("--least-seconds", o->least_s, "of one measurement").range(1e-6, 3600.0);
  verb.option("--plot", o->plot, "a roofline as .png or .svg, drawn by gnuplot");
  verb.flag("--values", o->values,
            "no times: what each convolution makes, in memory that was NaN before, beside the definition");
  add_common_options(
      verb, o->common,
      "onednn, cudnn, cublas (on cuda; cudnn_tf32, cublas_tf32), or the path of another build of voxgrad; "
      "in turns with ours");
  verb.run([o] { o->values ? compare_values(*o) : measure_kernels(*o); });
}

}  // namespace vox::bench
