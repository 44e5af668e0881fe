#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vox::fuzz {

/// A reader of files that others made. run() gives it a file of these bytes: it may refuse them with an Error, and must
/// do nothing else that is not right, which run() tests as far as it can be told: a file that was read has sound
/// values, and is the same once written and read again.
struct Target {
  std::string_view name;  ///< its seeds are in tests/fuzz/seeds/NAME
  void (*run)(std::string_view bytes);
  std::size_t most_bytes;  ///< of an input, where no other length is asked for
  /// Where plain changes of bytes stay shallow: the part of a file that is worth changing, unwrapped, and back. Null:
  /// the bytes themselves.
  std::string (*unwrap)(std::string_view bytes) = nullptr;
  std::string (*wrap)(std::string_view inner) = nullptr;
};

[[nodiscard]] std::span<const Target> targets();
[[nodiscard]] const Target* target_named(std::string_view name);

/// Aborts, so that libFuzzer keeps the input: a reader took what it should not have taken.
void require(bool fine, const char* what);

/// NaN is the same as NaN.
[[nodiscard]] bool same_values(std::span<const float>, std::span<const float>);

/// A file in memory (/dev/shm where there is one) of this name with these bytes; the name's ending decides how some are
/// read. The same path for the same name, until the program ends.
[[nodiscard]] std::string file_with(const std::string& name, std::string_view bytes);
/// A folder beside those files, in which nothing is.
[[nodiscard]] std::filesystem::path emptied_folder(const std::string& name);
void put_file(const std::filesystem::path&, std::string_view bytes);

/// Inputs of more than one file: the first 16 bits are the length of the first of two parts.
[[nodiscard]] std::array<std::string_view, 2> two_parts(std::string_view bytes);
/// The parts between bytes 0x1E, ASCII's separator of records; as many as are asked for, of which the last may be
/// empty.
[[nodiscard]] std::vector<std::string_view> texts(std::string_view bytes, std::size_t count);
/// A sound NIfTI-1 file of 2x3x2 voxels.
[[nodiscard]] std::string_view small_volume();

// The targets, one file each.
void fuzz_nifti(std::string_view);
void fuzz_nifti_pair(std::string_view);
void fuzz_nifti_labels(std::string_view);
void fuzz_nifti_volumes(std::string_view);
[[nodiscard]] std::string gunzipped(std::string_view);
[[nodiscard]] std::string gzipped(std::string_view);
void fuzz_safetensors(std::string_view);
[[nodiscard]] std::string header_of(std::string_view);
[[nodiscard]] std::string with_header(std::string_view);
void fuzz_checkpoint(std::string_view);
void fuzz_prepared_case(std::string_view);
void fuzz_json(std::string_view);
void fuzz_splits(std::string_view);
void fuzz_dataset_json(std::string_view);
void fuzz_case_list_csv(std::string_view);
void fuzz_case_list_json(std::string_view);
void fuzz_postprocess(std::string_view);
void fuzz_config(std::string_view);
void fuzz_run_log(std::string_view);
void fuzz_event_file(std::string_view);
void fuzz_keras(std::string_view);
void fuzz_keras_bytes(std::string_view);
void fuzz_nnunet_plans(std::string_view);
void fuzz_kernel_shape(std::string_view);
void fuzz_folder(std::string_view);
void fuzz_bids_labels(std::string_view);
void fuzz_case(std::string_view);
void fuzz_case_volumes(std::string_view);
void fuzz_editions(std::string_view);
void fuzz_masks(std::string_view);
void fuzz_weights(std::string_view);
void fuzz_report(std::string_view);
void fuzz_two_runs(std::string_view);
void fuzz_fabric(std::string_view);
void fuzz_ptx(std::string_view);

}  // namespace vox::fuzz
