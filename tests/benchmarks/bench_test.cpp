#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "benchmarks/measure/probes.h"
#include "benchmarks/measure/spread.h"
#include "benchmarks/output/report.h"
#include "benchmarks/workloads/cost.h"
#include "benchmarks/workloads/kernel_case.h"
#include "benchmarks/workloads/kernel_shape.h"
#include "engine/context.h"
#include "kernels/base/check.h"
#include "kernels/conv3d.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"

namespace vox::test {
namespace {

using bench::Pass;

Ended bench_verb(const std::string& arguments) { return voxgrad("bench " + arguments); }

bench::Cost cost_at(Op op, Pass pass, const std::string& shape) {
  return bench::KernelCase({.op = op, .pass = pass, .shape = bench::parse_shape(shape)}, Device::cpu).cost();
}

/// A rival that answers as PyTorch's script does: always half a second.
std::string write_fake_torch(const std::filesystem::path& script) {
  std::ofstream(script) << "import json, sys\n"
                           "for line in sys.stdin:\n"
                           "    q = json.loads(line)\n"
                           "    if q['do'] == 'hello': a = {'name': 'Fake 1.0'}\n"
                           "    elif q['do'] == 'prepare' and 'compile' in q['variant']: a = {'error': 'no compiler'}\n"
                           "    elif q['do'] == 'prepare' and q['work'] == 'predict': a = {'name': float('nan')}\n"
                           "    elif q['do'] == 'prepare': a = {'name': 'Fake ' + q['variant']}\n"
                           "    else: a = {'wall_s': 0.5, 'processor_s': 1.0, 'peak_resident_bytes': 2**40,\n"
                           "               'phases_s': {'forward': 0.25, 'data': 0.125}}\n"
                           "    print('a line that is no answer')\n"
                           "    print(json.dumps(a), flush=True)\n";
  return script.string();
}

}  // namespace

TEST_CASE("shapes of the bench are written as they are read", "[bench]") {
  for (const char* const text :
       {"16-32@128^3", "16+16-16@64^3", "4@155x240x241", "16-4@128^3k1", "16-32@64^3s2", "8-8@7x4x5k1s2"}) {
    CHECK(bench::text_of(bench::parse_shape(text)) == text);
  }
  CHECK(bench::text_of(bench::parse_shape("3@8")) == "3@8^3");
  for (const char* const text : {"", "16", "16@", "16@0^3", "16@8^2", "a@8^3", "16-@8^3", "16@8x8", "16@8^3z", "-1@8^3",
                                 "8-8@8^3s0", "8-8@8^3s2k1"}) {
    CHECK_THROWS_AS(bench::parse_shape(text), Error);
  }
}

TEST_CASE("flops and bytes of a pass are those of its definition", "[bench]") {
  constexpr double kVoxels = 6 * 5 * 4;
  const bench::Cost conv = cost_at(Op::conv3d, Pass::forward, "3-9@6x5x4");
  CHECK(conv.flops == 2 * 27 * 3 * 9 * kVoxels);
  CHECK(conv.bytes == 4 * (3 * kVoxels + 9 * kVoxels + 27 * 3 * 9));
  CHECK(cost_at(Op::conv3d, Pass::grad_input, "3-9@6x5x4").flops == conv.flops);
  CHECK(cost_at(Op::conv3d, Pass::grad_weight, "3-9@6x5x4").bytes == conv.bytes);
  CHECK(cost_at(Op::conv3d_concat, Pass::forward, "8+3-9@6x5x4").flops == 2 * 27 * 11 * 9 * kVoxels);
  const bench::Cost up = cost_at(Op::conv_transpose3d, Pass::forward, "8-4@6x5x4");
  CHECK(up.flops == 2 * 8 * 8 * 4 * kVoxels);  // eight taps, each voxel of the input once
  CHECK(up.bytes == 4 * (8 * kVoxels + 4 * 8 * kVoxels + 8 * 8 * 4));
  CHECK(cost_at(Op::relu, Pass::grad_input, "5@6x5x4").bytes == 3 * 4 * 5 * kVoxels);
  CHECK(cost_at(Op::batch_norm, Pass::forward, "5@6x5x4").bytes == 3 * 4 * 5 * kVoxels);
  CHECK(cost_at(Op::batch_norm, Pass::grad_input, "5@6x5x4").bytes == 5 * 4 * 5 * kVoxels);
  CHECK(cost_at(Op::max_pool3d, Pass::forward, "8@6x4x4").bytes == 4 * 8 * 96 * 1.125);
  CHECK(cost_at(Op::dice_focal_loss, Pass::forward, "4@6x5x4").bytes == 17 * kVoxels + 4);
  CHECK(cost_at(Op::relu, Pass::forward, "5@6x5x4").flops == 0);
}

TEST_CASE("a convolution of stride 2 is measured where there is one, and refused elsewhere", "[bench]") {
  for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
    bench::KernelCase c({.op = Op::conv3d, .pass = pass, .shape = bench::parse_shape("3-9@5x4x7s2")}, Device::cpu);
    CHECK(c.run(1, bench::Cache::warm).wall_s > 0);
    CHECK(c.cost().flops == 2 * 27 * 3 * 9 * (3 * 2 * 4));
    CHECK(c.cost().bytes == 4 * (3 * 140 + 9 * 24 + 27 * 3 * 9));
  }
  for (const auto& [op, shape] : {std::pair{Op::conv3d, "8-8@4^3s3"}, std::pair{Op::conv3d_concat, "8+8-8@4^3s2"},
                                  std::pair{Op::conv_transpose3d, "8-8@4^3s1"}, std::pair{Op::relu, "8@4^3s2"}}) {
    CHECK_THROWS_WITH(cost_at(op, Pass::forward, shape), ContainsSubstring("has no stride of"));
  }
}

TEST_CASE("every operator can be measured, in every pass that it has", "[bench]") {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Op::count_); ++i) {
    const auto op = static_cast<Op>(i);
    std::string shape = bench::has_pass(op, Pass::grad_weight) || op == Op::conv3d_batch_norm_relu ||
                                op == Op::conv3d_instance_norm_relu
                            ? "8-4@4^3"
                            : "8@4^3";
    if (op == Op::conv3d_concat) { shape = "8+3-4@4^3"; }
    if (op == Op::add || op == Op::mul || op == Op::concat) { shape = "8+8@4^3"; }
    for (const Pass pass : {Pass::forward, Pass::grad_input, Pass::grad_weight}) {
      if (!bench::has_pass(op, pass)) { continue; }
      INFO(name(op) << " " << bench::name(pass));
      bench::KernelCase c({.op = op, .pass = pass, .shape = bench::parse_shape(shape)}, Device::cpu);
      const bench::Times t = c.run(2, bench::Cache::flushed);
      CHECK(t.wall_s > 0);
      CHECK(c.cost().bytes > 0);
    }
  }
}

TEST_CASE("a median and its quartiles are NumPy's, and ratios go round by round", "[bench]") {
  const bench::Spread s = bench::spread_of({4, 1, 3, 2});
  CHECK(s.median == 2.5);
  CHECK(s.lower_quartile == 1.75);
  CHECK(s.upper_quartile == 3.25);
  CHECK(s.relative() == Approx(0.6));
  CHECK(bench::spread_of({7}).median == 7);
  CHECK_THROWS_AS(bench::spread_of({}), Error);
  CHECK(bench::ratios({2, 9}, {1, 3}) == std::vector<double>{2, 3});
}

TEST_CASE("numbers keep four digits and CSV keeps its commas", "[bench]") {
  CHECK(bench::digits(0.01234) == "0.0123");
  CHECK(bench::digits(1.2345) == "1.234");
  CHECK(bench::digits(123.45) == "123.5");
  CHECK(bench::digits(12345.6) == "12346");
  const Json rows = {{{"a", 1}, {"b", "x,\"y\""}, {"list", {1, 2}}}, {{"a", 2.5}, {"c", true}}};
  CHECK(bench::csv_of(rows) == "a,b,c\n1,\"x,\"\"y\"\"\",\n2.5,,true\n");
}

TEST_CASE("the ceilings of the CPU are those of something that was done", "[bench]") {
  CHECK(bench::probe_multiply_adds(1).amount > 0);
  const bench::Probe copy = bench::probe_copy(1);
  CHECK(copy.amount == 2 * 0x1p27);
  CHECK(copy.times.wall_s > 0);
}

TEST_CASE("bench kernel prints a table, writes JSON and CSV, and goes on where a line cannot run", "[bench]") {
  const TempFolder folder;
  const std::string json = (folder / "k.json").string();
  const std::string csv = (folder / "k.csv").string();
  const std::string common = " --rounds 2 --least-seconds 0.0001 --json " + json + " --csv " + csv;
  const Ended fine = bench_verb("kernel --op conv3d --shape 8-16@8^3" + common);
  CHECK(fine.code == 0);
  for (const char* const column : {"| operator", "spread %", "GFLOP/s", "GB/s", "roof %", "cpu roof %", "| 8-16@8^3"}) {
    CHECK_THAT(fine.output, ContainsSubstring(column));
  }
  const auto results = nlohmann::json::parse(read_bytes(json));
  REQUIRE(results["rows"].size() == 3);
  CHECK(results["rows"][0]["samples_s"].size() == 2);
  CHECK(results["rows"][0]["flops"].get<double>() == 2 * 27 * 8 * 16 * 512);
  CHECK(results["facts"]["ceiling_f32_flop_per_s"][0].get<double>() > 0);
  CHECK(results["facts"]["ceiling_copy_bytes_per_s"][0].get<double>() > 0);
  CHECK_THAT(read_bytes(csv), ContainsSubstring("op,pass,shape") && ContainsSubstring("\nconv3d,grad-weight,8-16@8^3"));

  const Ended part = bench_verb("kernel --op relu,conv3d --shape 8@8^3 --against nosuch,cudnn" + common);
  CHECK(part.code == 2);
  CHECK_THAT(part.output, ContainsSubstring("| relu ") && ContainsSubstring("wants channels out") &&
                              ContainsSubstring("--against nosuch: wants torch, onednn, cudnn") &&
                              ContainsSubstring("--against cudnn: runs on cuda, not on cpu"));
  CHECK(bench_verb("kernel --op no_such_op").code == 2);
  CHECK(bench_verb("kernel --op relu --pass grad-weight").code == 2);
  CHECK(bench_verb("kernel --op relu --shape 8@8^2").code == 2);
  CHECK(bench_verb("kernel --device cuda:99").code == 2);
}

TEST_CASE("bench kernel takes a convolution's algorithms and the instruction sets in turns", "[bench]") {
  const TempFolder folder;
  const std::string json = (folder / "k.json").string();
  const Ended e = bench_verb(
      "kernel --op conv3d,relu --shape 16-16@8^3 --pass forward --isa all --conv direct,winograd,definition --rounds 2 "
      "--least-seconds 0.0001 --json " +
      json);
  CHECK(e.code == 0);
  std::map<std::string, int> rows;
  const auto results = nlohmann::json::parse(read_bytes(json));
  for (const auto& row : results["rows"]) {
    ++rows[row["op"].get<std::string>() + row["algorithm"].get<std::string>()];
  }
  const int isas = static_cast<int>(runnable_isas().size());
  for (const char* const what : {"conv3dtiled", "conv3dwinograd", "conv3ddirect", "relu"}) {
    CHECK(rows[what] == isas);
  }
  CHECK(bench_verb("kernel --op relu --conv nonsense").code == 2);
  CHECK(bench_verb("kernel --op relu --isa sse9").code == 2);
  CHECK(bench_verb("step --size 16 --conv all").code == 2);
}

TEST_CASE("bench kernel --values sees a convolution beside its definition", "[bench]") {
  const Ended e =
      bench_verb("kernel --values --op conv3d,conv_transpose3d --shape 8-16@9x8x7 --dtype f32,bf16 --conv all");
  CHECK(e.code == 0);
  CHECK_THAT(e.output,
             ContainsSubstring("| winograd ") && ContainsSubstring("| tiled ") && ContainsSubstring("0 wrong"));
  CHECK(bench_verb("kernel --values --op relu").code == 2);
}

TEST_CASE("where the time is up no line is begun, and the table says so", "[bench]") {
  const Ended kernels = bench_verb("kernel --op relu --shape 8@8^3,8@9^3 --rounds 1 --seconds 1e-9");
  CHECK(kernels.code == 0);
  CHECK_THAT(kernels.output, ContainsSubstring("4 lines were not begun"));
  const Ended steps = bench_verb("step --size 16,32 --rounds 1 --seconds 1e-9");
  CHECK(steps.code == 0);
  CHECK_THAT(steps.output, ContainsSubstring("2 lines were not begun"));
}

TEST_CASE("the queue's choice decides the algorithm on every device", "[bench][conv3d]") {
  const Conv3dGeometry g = conv3d_geometry({.n = 1, .c = 16, .d = 16, .h = 16, .w = 16}, 16, 3, 1, 1);
  const bench::Way before;
  for (const Conv3dPass pass : {Conv3dPass::correlate, Conv3dPass::spread, Conv3dPass::grad_weight}) {
    CHECK(choose<Bf16>(DeviceQueue{}, pass, g) == Conv3dAlgorithm::tensor_core);
    CHECK(choose<Bf16>(DeviceQueue{ConvChoice::direct}, pass, g) == Conv3dAlgorithm::tiled);
    CHECK(choose<float>(DeviceQueue{ConvChoice::definition}, pass, g) == Conv3dAlgorithm::direct);
    const bench::WayScope scope({.isa = best_isa(), .conv = ConvChoice::definition});
    CHECK(choose<float>(cpu_queue(), pass, g) == Conv3dAlgorithm::direct);
    CHECK(simt_queue().conv == ConvChoice::definition);
  }
  CHECK(cpu_queue().conv == before.conv);
}

TEST_CASE("another build of voxgrad is a rival of this one", "[bench]") {
  const Ended e = bench_verb("predict --size 16 --widths 8,8,8,8,8 --rounds 2 --against " + std::string(VOX_PROGRAM));
  CHECK(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("times as fast as " + std::string(VOX_PROGRAM)));
}

TEST_CASE("bench step compares with every way of PyTorch that works and names those that do not", "[bench]") {
  if (std::system("python3 -c pass >/dev/null 2>&1") != 0) {
    WARN("skipped: there is no python3");
    return;
  }
  const TempFolder folder;
  const std::string json = (folder / "s.json").string();
  const std::string step = "step --size 16 --batch 2 --widths 8,8,8,8,8 --rounds 3 --json " + json;
  const Ended e = bench_verb(step + " --against torch --torch-script " + write_fake_torch(folder / "fake.py"));
  CHECK(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("Fake 1.0") && ContainsSubstring("no compiler") &&
                           ContainsSubstring("times as fast as torch contiguous eager"));
  const auto results = nlohmann::json::parse(read_bytes(json));
  REQUIRE(results["rows"].size() == 5);
  CHECK(results["rows"][0]["ms"].get<double>() == 500);
  CHECK(results["rows"][0]["ratios"].size() == 3);
  CHECK(results["rows"][4]["program"] == "voxgrad");
  CHECK(results["rows"][4]["peak_resident_bytes"].get<double>() > 0);
  CHECK(results["best"][0]["ratio"].get<double>() > 0);
  for (const char* const phase : {"forward_ms", "loss_ms", "backward_ms", "update_ms", "data_ms"}) {
    CHECK(results["rows"][4][phase].get<double>() > 0);
  }

  const Ended broken = bench_verb(
      "predict --size 16 --widths 8,8,8,8,8 --rounds 1 --torch 'contiguous eager' --against torch --torch-script " +
      (folder / "fake.py").string());
  CHECK(broken.code == 2);  // JSON has no NaN: said, not waited for
  CHECK_THAT(broken.output, ContainsSubstring("no JSON") && ContainsSubstring("| voxgrad"));

  const Ended none = bench_verb(step + " --against torch --python /no/such/python");
  CHECK(none.code == 2);
  CHECK_THAT(none.output, ContainsSubstring("/no/such/python") && ContainsSubstring("| voxgrad"));
  CHECK(bench_verb("step --size 20 --rounds 1").code == 2);
  CHECK(bench_verb("step --torch nonsense").code == 2);
}

TEST_CASE("PyTorch's script finds the network it runs", "[bench]") {
  // Stands for PyTorch: every name is there, and a module is a class.
  const char* const check =
      "import sys, types, unittest.mock as mock, runpy\n"
      "torch = mock.MagicMock()\n"
      "torch.nn.Module = object\n"
      "for name in ('torch', 'torch.nn', 'torch.nn.functional', 'numpy'):\n"
      "    sys.modules[name] = torch.nn if name == 'torch.nn' else torch\n"
      "runpy.run_path('benchmarks/rivals/torch_step.py')\n";
  if (std::system("python3 -c pass >/dev/null 2>&1") != 0) {
    WARN("skipped: there is no python3");
    return;
  }
  const TempFolder folder;
  std::ofstream(folder / "check.py") << check;
  CHECK(std::system(("cd " VOX_SOURCE_DIR " && python3 " + (folder / "check.py").string()).c_str()) == 0);
}

TEST_CASE("a profile names every layer and its sum of rooflines", "[bench]") {
  const Ended e = bench_verb("step --profile --size 16 --batch 2 --rounds 2 --widths 8,8,8,8,8");
  CHECK(e.code == 0);
  for (const char* const text :
       {"encoder.0.conv1", "decoder.3.conv2", "| head", "dice_focal_loss", "| adam", "whole / roofline"}) {
    CHECK_THAT(e.output, ContainsSubstring(text));
  }
  const Ended inference = bench_verb("predict --profile --size 16 --rounds 2 --widths 8,8,8,8,8");
  CHECK(inference.code == 0);
  for (const char* const text : {"encoder.0.conv1", "decoder.3.conv2", "| up.0", "| head", "softmax"}) {
    CHECK_THAT(inference.output, ContainsSubstring(text));
  }
}

TEST_CASE("starting and loading are measured alone", "[bench]") {
  const Ended start = bench_verb("startup --rounds 3");
  CHECK(start.code == 0);
  CHECK_THAT(start.output, ContainsSubstring("--help"));
  CHECK(bench_verb("startup --rounds 1 -- false").code == 2);
  const Ended loader = bench_verb("loader --size 16 --cases 2 --rounds 1 --threads 1 --augment none");
  CHECK(loader.code == 0);
  CHECK_THAT(loader.output, ContainsSubstring("4@16^3"));
  const Ended patches =
      bench_verb("loader --size 16 --cases 3 --rounds 1 --threads 2 --augment all --patch 8,16,4 --foreground 1");
  CHECK(patches.code == 0);
  CHECK_THAT(patches.output, ContainsSubstring("4@8x16x4"));
  CHECK(bench_verb("loader --size 16 --cases 1 --patch 8,8").code == 2);
  CHECK(bench_verb("loader --cache /no/such/folder").code == 3);
}

}  // namespace vox::test
