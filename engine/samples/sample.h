#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "engine/ops.h"

namespace vox::samples {

// Every operator with example inputs, as data: one list, which `voxgrad gradcheck` reads at the samples' own sizes,
// small and ragged, and `voxgrad bench kernel` at any. Formulas and refusals are in tests/engine/ops.

/// Extents of one call.
struct Size {
  std::int64_t batch = 1;
  std::vector<std::int64_t> in;          ///< channels of each volume
  std::array<std::int64_t, 3> extent{};  ///< of all volumes: D, H, W
  std::int64_t out = 0;                  ///< channels that a weight makes; 0: there is no weight
  std::int64_t kernel = 0;               ///< of a weight
};
/// Channels of whole blocks, as they are stored.
[[nodiscard]] inline std::int64_t stored_channels(std::int64_t channels) { return channel_blocks(channels) * kBlock8; }

/// What an input is: says its shape, and that all but volumes are plain.
enum class Role : std::uint8_t {
  volume,             ///< [N,C,D,H,W], C the next of Size::in
  weight,             ///< [O,I,K,K,K], I the channels of all volumes
  transposed_weight,  ///< [I,O,K,K,K]
  vector,             ///< one value per channel: of the weight's result, or of the volume where there is no weight
  labels              ///< u8 [N,D,H,W], below the channels of the first volume
};

/// How the values lie.
enum class Draw : std::uint8_t {
  uniform,       ///< anywhere in [low,high)
  off_zero,      ///< the same, moved away from 0 by 1/8: for functions with a kink there
  distinct,      ///< no two closer than 1/64: for functions that compare
  probabilities  ///< in (0,1)
};

struct Input {
  std::string_view name;
  Role role = Role::volume;
  std::uint32_t place = 0;  ///< keeps the values of two inputs apart
  double low = -2;
  double high = 2;
  Draw draw = Draw::uniform;
  bool differentiable = true;  ///< false for running statistics, and labels
  bool optional = false;       ///< the operator can do without; the bench leaves out what is no volume
};
[[nodiscard]] Input volume(std::string_view name, std::uint32_t place = 0, Draw = Draw::uniform);
[[nodiscard]] Input weight(std::string_view name, Role = Role::weight);
[[nodiscard]] Input vector(std::string_view name, std::uint32_t place, double low = -1, double high = 1);
[[nodiscard]] Input statistics(std::string_view name, std::uint32_t place, double low, double high);
[[nodiscard]] Input labels(std::string_view name);
[[nodiscard]] Input optional(Input);

/// The least a pass reads and writes: all volumes so many times, what is as large as the result so many times, labels
/// and weights once.
struct Traffic {
  double volumes = 0;
  double results = 0;
};

using Inputs = const std::vector<Tensor>&;

struct Sample {
  std::string_view variant = "";  ///< which of several of an operator
  std::vector<Input> inputs;
  Size size;                                  ///< for the gradient check
  std::function<Tensor(Inputs inputs)> call;  ///< an input that is left out is undefined
  bool gradchecked = true;                    ///< false where the result of f64 is not f64
  Traffic forward{1, 1};
  Traffic gradient{2, 1};  ///< of the volumes; nothing: what arrives is handed on
  /// Elements of the result in memory per voxel of the volumes, or fewer.
  std::int64_t (*result)(const Size&) = [](const Size& s) { return stored_channels(s.in.front()); };
};
[[nodiscard]] inline std::int64_t small_result(const Size&) { return 0; }
[[nodiscard]] inline std::int64_t result_of_weight(const Size& s) { return stored_channels(s.out); }

/// Each defined in engine/samples/<op>.cpp: where one is missing the linker names it. The first is what the bench
/// times.
template <Op O> [[nodiscard]] std::vector<Sample> make();
#define VOX_MAKE(op) template <> std::vector<Sample> make<Op::op>();
VOX_OPS(VOX_MAKE)
#undef VOX_MAKE
[[nodiscard]] const std::vector<Sample>& of(Op);

/// Shapes of the inputs. Rank 0: of an optional volume for which the size has no channels.
[[nodiscard]] std::vector<Shape> shapes_of(const Sample&, const Size&);
/// At the sample's own size, in f64 on the CPU; what is to be checked requires a gradient.
[[nodiscard]] std::vector<Tensor> small_inputs(const Sample&);

}  // namespace vox::samples
