#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/append_file.h"

namespace vox {

/// What TensorBoard shows at a step of a run.
struct BoardEvent {
  struct Scalar {
    std::string tag;
    double value = 0;
  };
  struct Picture {
    std::string tag;
    std::int64_t width = 0;
    std::int64_t height = 0;
    std::string png;  ///< the bytes of the file, RGB
  };
  std::int64_t step = 0;
  std::vector<Scalar> scalars{};
  std::vector<Picture> pictures{};
};

/// A file of TensorBoard's events: records as TensorFlow frames them (its tfrecord format), in little-endian
///   u64 length, u32 masked CRC-32C of these 8 bytes, so many bytes, u32 masked CRC-32C of them
/// masked: turned right by 15 bits, and 0xA282EAD8 added. Each holds a message Event (tensorboard_event.proto), the
/// first of which names the version. A record is one write, so that whoever follows the file sees whole ones; the last
/// may be cut short by a crash, which readers take for a file that is still being written.
class EventFile {
 public:
  /// Opens for appending. keep(event): of those that are there, in order, the first that is not kept, or is damaged,
  /// goes, and all behind it. Throws OutputError where the file cannot be written.
  EventFile(const std::filesystem::path&, const std::function<bool(const BoardEvent&)>& keep);
  void write(const BoardEvent&);
  void sync() { out_->sync(); }  ///< what was written is on disk

 private:
  void append(const std::string& message);

  std::optional<AppendFile> out_;  ///< once what is not kept is gone
};

}  // namespace vox
