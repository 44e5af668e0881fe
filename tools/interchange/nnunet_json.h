#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <utility>

#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"

namespace vox {

/// A value in a JSON file of nnU-Net, which knows where it stands: what is wrong with it is said by its place.
class NnunetField {
 public:
  NnunetField(std::filesystem::path file, Json value, std::string place = {})
      : file_(std::move(file)), value_(std::move(value)), place_(std::move(place)) {}

  [[nodiscard]] const Json& value() const { return value_; }
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[nodiscard]] bool has(const std::string& key) const {
    return value_.is_object() && value_.contains(key) && !value_.at(key).is_null();
  }
  [[nodiscard]] NnunetField at(const std::string& key) const {
    VOX_CHECK_DATA(has(key), "{}: has no {}", file_.string(), place(key));
    return {file_, value_.at(key), place(key)};
  }
  [[nodiscard]] NnunetField at(std::size_t i) const { return {file_, value_.at(i), fmt::format("{}[{}]", place_, i)}; }
  [[nodiscard]] const std::string& where() const { return place_; }

  [[noreturn]] void refuse(const std::string& wanted) const {
    VOX_FAIL_DATA("{}: {} is {}, wants {}", file_.string(), place_, json_text(value_), wanted);
  }
  void wants(bool fine, const std::string& wanted) const {
    if (!fine) { refuse(wanted); }
  }
  template <class T> [[nodiscard]] T get(const std::string& wanted) const {
    try {
      return value_.get<T>();
    } catch (const JsonError&) { refuse(wanted); }
  }

 private:
  [[nodiscard]] std::string place(const std::string& key) const { return place_.empty() ? key : place_ + "." + key; }

  std::filesystem::path file_;
  Json value_;
  std::string place_;
};

[[nodiscard]] NnunetField read_nnunet_json(const std::filesystem::path&);

/// configurations.NAME with what it inherits.
[[nodiscard]] NnunetField nnunet_configuration(const NnunetField& plans, const std::string& name);

}  // namespace vox
