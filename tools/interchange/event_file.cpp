#include "tools/interchange/event_file.h"

#include <tensorboard_event.pb.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>

#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/interchange/crc32c.h"

namespace vox {
namespace {

namespace fs = std::filesystem;
using tensorboard::Event;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kSumBytes = 4;

std::uint32_t masked_sum(std::string_view bytes) {
  const std::uint32_t sum = crc32c(bytes);
  return (sum >> 15U | sum << 17U) + 0xA282EAD8U;
}

std::string little_endian(std::uint64_t value, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) { text += static_cast<char>(value >> (8 * i) & 0xFFU); }
  return text;
}

std::uint64_t from_little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) { value = value << 8U | static_cast<std::uint8_t>(bytes[i]); }
  return value;
}

/// So many bytes; fewer where the file ends.
std::string read(std::istream& in, std::size_t bytes) {
  std::string text(bytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(bytes));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

/// The message of the next record; nothing at the end, and for one that is damaged.
std::optional<std::string> next_record(std::istream& in, std::uintmax_t bytes_left) {
  const std::string head = read(in, kLengthBytes + kSumBytes);
  if (head.size() < kLengthBytes + kSumBytes) { return std::nullopt; }
  const std::string_view length = std::string_view(head).substr(0, kLengthBytes);
  const auto sum_of = [](std::string_view bytes) { return little_endian(masked_sum(bytes), kSumBytes); };
  if (head.substr(kLengthBytes) != sum_of(length)) { return std::nullopt; }
  const std::uint64_t size = from_little_endian(length);
  if (size > bytes_left) { return std::nullopt; }
  std::string message = read(in, size);
  if (message.size() < size || read(in, kSumBytes) != sum_of(message)) { return std::nullopt; }
  return message;
}

BoardEvent board_event(const Event& event) {
  BoardEvent e{.step = event.step()};
  for (const auto& value : event.summary().value()) {
    if (value.has_simple_value()) { e.scalars.push_back({value.tag(), static_cast<double>(value.simple_value())}); }
    if (value.has_image()) {
      e.pictures.push_back(
          {value.tag(), value.image().width(), value.image().height(), value.image().encoded_image_string()});
    }
  }
  return e;
}

/// Bytes of the file up to the first event that is not kept, or is damaged.
std::uintmax_t bytes_kept(const fs::path& path, const std::function<bool(const BoardEvent&)>& keep) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) { return 0; }
  const auto fail = [&](int number) {  // what cannot be read is not damaged: it must not be cut off
    VOX_FAIL_OUTPUT("{}: cannot be read: {}", path.string(), std::generic_category().message(number));
  };
  if (error) { fail(error.value()); }
  std::ifstream in(path, std::ios::binary);
  if (!in.is_open()) { fail(errno); }
  std::uintmax_t kept = 0;
  while (const auto message = next_record(in, size - kept)) {
    Event event;
    if (!event.ParseFromString(*message) || !keep(board_event(event))) { break; }
    kept += 2 * kSumBytes + kLengthBytes + message->size();
  }
  if (in.bad()) { fail(errno); }
  return kept;
}

Event event_now() {
  Event event;
  event.set_wall_time(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
  return event;
}

}  // namespace

EventFile::EventFile(const fs::path& path, const std::function<bool(const BoardEvent&)>& keep) {
  const std::uintmax_t kept = bytes_kept(path, keep);
  std::error_code error;
  if (fs::exists(path, error)) { fs::resize_file(path, kept, error); }
  if (error) { VOX_FAIL_OUTPUT("{}: cannot be written: {}", path.string(), error.message()); }
  out_.emplace(path);
  if (kept > 0) { return; }
  Event version = event_now();
  version.set_file_version("brain.Event:2");
  append(version.SerializeAsString());
}

void EventFile::write(const BoardEvent& e) {
  Event event = event_now();
  event.set_step(e.step);
  for (const BoardEvent::Scalar& scalar : e.scalars) {
    auto* const value = event.mutable_summary()->add_value();
    value->set_tag(utf8_text(scalar.tag));
    value->set_simple_value(static_cast<float>(scalar.value));
  }
  for (const BoardEvent::Picture& picture : e.pictures) {
    auto* const value = event.mutable_summary()->add_value();
    value->set_tag(utf8_text(picture.tag));
    value->mutable_image()->set_width(static_cast<std::int32_t>(picture.width));
    value->mutable_image()->set_height(static_cast<std::int32_t>(picture.height));
    value->mutable_image()->set_colorspace(3);
    value->mutable_image()->set_encoded_image_string(picture.png);
  }
  append(event.SerializeAsString());
}

void EventFile::append(const std::string& message) {
  const std::string length = little_endian(message.size(), kLengthBytes);
  out_->append(length + little_endian(masked_sum(length), kSumBytes) + message +
               little_endian(masked_sum(message), kSumBytes));
}

}  // namespace vox
