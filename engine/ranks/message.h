#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/base/check.h"

namespace vox {

// Values as bytes, for ranks of one build on machines of one kind. What is written by one order of calls is read by the
// same one, so a type says its fields once, for both:  fields(m, value.a, value.b).

/// A number, an enumerator, or a plain array or structure of such.
template <class T>
concept PlainValue = std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>;

class MessageWriter {
 public:
  template <PlainValue T> void operator()(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void operator()(const std::string& text) {
    (*this)(std::uint64_t{text.size()});
    bytes_.append(text);
  }
  template <class T> void operator()(const std::vector<T>& list) {
    (*this)(std::uint64_t{list.size()});
    for (const T& value : list) { (*this)(value); }
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : left_(bytes) {}

  template <PlainValue T> void operator()(T& value) { std::memcpy(&value, take(sizeof value).data(), sizeof value); }
  void operator()(std::string& text) { text = take(size()); }
  template <class T> void operator()(std::vector<T>& list) {
    list.clear();
    for (std::size_t n = size(); n > 0; --n) { (*this)(list.emplace_back()); }
  }
  [[nodiscard]] bool at_end() const { return left_.empty(); }

 private:
  std::size_t size() {
    std::uint64_t n = 0;
    (*this)(n);
    return n;
  }
  std::string_view take(std::size_t n) {
    VOX_CHECK(n <= left_.size(), "a message between ranks ends {} bytes early", n - left_.size());
    const std::string_view bytes = left_.substr(0, n);
    left_.remove_prefix(n);
    return bytes;
  }

  std::string_view left_;
};

template <class Message, class... T> void fields(Message& message, T&&... values) { (message(values), ...); }

}  // namespace vox
