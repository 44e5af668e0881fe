#include "engine/safetensors.h"

#include <bit>
#include <limits>

#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

fs::path put(const TempFolder& folder, const std::string& bytes) {
  write_bytes(folder / "x", bytes);
  return folder / "x";
}

std::string length_of(std::uint64_t n) { return {reinterpret_cast<const char*>(&n), sizeof n}; }
std::string file_with(const std::string& header, const std::string& data = {}) {
  return length_of(header.size()) + header + data;
}

template <class T> std::span<const std::byte> bytes_of(const std::vector<T>& v) { return std::as_bytes(std::span(v)); }

const std::vector<float> kFloats{1.5F, -0.0F, 3e38F, std::numeric_limits<float>::quiet_NaN(), -7.0F, 1e-42F};

TEST_CASE("safetensors: what is written is read back, bit for bit, aligned, whatever the order", "[safetensors]") {
  const TempFolder folder;
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  const std::vector<double> doubles{0.1};
  const std::vector<std::int64_t> longs{-5, 1LL << 60};
  const std::vector<std::uint16_t> halves{0x3F80, 0x7FC1, 0};
  const fs::path path = folder / "a.safetensors";
  write_safetensors(path,
                    {{"labels", FileDType::u8, {3, 1}, bytes_of(bytes)},
                     {"f32", FileDType::f32, {2, 3}, bytes_of(kFloats)},
                     {"scalar", FileDType::f64, {}, bytes_of(doubles)},
                     {"half", FileDType::bf16, {3}, bytes_of(halves)},
                     {"long", FileDType::i64, {2}, bytes_of(longs)},
                     {"empty", FileDType::f32, {4, 0, 2}, {}}},
                    {{"recipe", "seed \"quoted\" \xC3\xA9"}, {"", "empty key"}});
  const SafetensorsFile file(path);
  CHECK(file.tensors().size() == 6);
  CHECK(file.read<std::uint8_t>("labels") == bytes);
  CHECK(file.read<double>("scalar") == doubles);
  CHECK(file.read<std::int64_t>("long") == longs);
  CHECK(file.read<float>("empty").empty());
  CHECK(file.tensor("empty").shape == std::vector<std::int64_t>{4, 0, 2});
  CHECK(file.tensor("scalar").shape.empty());
  const std::vector<float> floats = file.read<float>("f32");
  REQUIRE(floats.size() == kFloats.size());
  for (std::size_t i = 0; i < floats.size(); ++i) {
    CHECK(std::bit_cast<std::uint32_t>(floats[i]) == std::bit_cast<std::uint32_t>(kFloats[i]));
  }
  CHECK(file.meta("recipe") == "seed \"quoted\" \xC3\xA9");
  CHECK(file.metadata().size() == 2);
  for (const auto& [name, t] : file.tensors()) {
    INFO(name);
    CHECK(reinterpret_cast<std::uintptr_t>(t.bytes.data()) % size_of(t.dtype) == 0);
  }
  CHECK_FALSE(file.has("other"));
  CHECK_THROWS_WITH(file.tensor("other"), ContainsSubstring("a.safetensors: holds no tensor 'other'"));
  CHECK_THROWS_WITH(file.meta("other"), ContainsSubstring("holds no metadata 'other'"));
  CHECK_THROWS_WITH(file.read<float>("labels"), ContainsSubstring("tensor 'labels' is U8, wants F32"));
}

TEST_CASE("safetensors: a mapped file outlives its replacement, and no temporary file stays", "[safetensors]") {
  const TempFolder folder;
  const fs::path path = folder / "a";
  const std::vector<float> one{1};
  const std::vector<float> two{2, 2};
  write_safetensors(path, {{"x", FileDType::f32, {1}, bytes_of(one)}}, {});
  const SafetensorsFile before(path);
  write_safetensors(path, {{"x", FileDType::f32, {2}, bytes_of(two)}}, {});
  CHECK(before.read<float>("x") == one);
  CHECK(SafetensorsFile(path).read<float>("x") == two);
  CHECK_THROWS_WITH(write_safetensors(path, {{"x", FileDType::f32, {3}, bytes_of(two)}}, {}),
                    ContainsSubstring("tensor 'x' has 8 bytes, its shape wants 12"));
  CHECK_THROWS_WITH(
      write_safetensors(path, {{"x", FileDType::f32, {1}, bytes_of(one)}, {"x", FileDType::f32, {1}, bytes_of(one)}},
                        {}),
      ContainsSubstring("tensor name 'x' is taken"));
  CHECK_THROWS_AS(write_safetensors(folder / "no" / "folder", {}, {}), OutputError);
  CHECK(SafetensorsFile(path).read<float>("x") == two);
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("safetensors: names and metadata may be any bytes, and none is lost", "[safetensors]") {
  const TempFolder folder;
  const std::vector<float> one{1};
  const std::vector<float> two{2};
  write_safetensors(folder / "a",
                    {{"M\xFC", FileDType::f32, {1}, bytes_of(one)}, {"M\\xfc", FileDType::f32, {1}, bytes_of(two)}},
                    {{"id", "M\xFCller"}, {"\xFF", "x"}});
  const SafetensorsFile file(folder / "a");
  CHECK(file.meta("id") == "M\\xfcller");
  CHECK(file.meta("\\xff") == "x");
  CHECK(file.read<float>("M\\xfc") == two);
  CHECK(file.read<float>("M\\xfc (2)") == one);
}

TEST_CASE("safetensors: a file of another writer, unpadded and unaligned, is read", "[safetensors]") {
  const TempFolder folder;
  const std::string f32(reinterpret_cast<const char*>(kFloats.data()), 8);
  const fs::path path = put(
      folder,
      file_with(
          R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})",
          "\x07" + f32));
  const SafetensorsFile file(path);
  CHECK(file.read<std::uint8_t>("a") == std::vector<std::uint8_t>{7});
  CHECK(file.read<float>("b")[0] == 1.5F);
  CHECK(SafetensorsFile(put(folder, file_with("{}"))).tensors().empty());
}

TEST_CASE("safetensors: what is wrong in a file is named", "[safetensors]") {
  const TempFolder folder;
  const auto one = [](const std::string& fields) { return file_with("{\"a\":{" + fields + "}}", "12345678"); };
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  REQUIRE_NOTHROW(SafetensorsFile(put(folder, one(good))));
  const auto refused = [&](const std::string& bytes, const std::string& why) {
    const fs::path path = put(folder, bytes);
    INFO(why);
    CHECK_THROWS_AS(SafetensorsFile(path), DataError);
    CHECK_THROWS_WITH(SafetensorsFile(path), ContainsSubstring(path.string()) && ContainsSubstring(why));
  };
  refused("", "has 0 bytes");
  refused("1234567", "has 7 bytes");
  refused(length_of(0), "is no safetensors file");
  refused("PK\x03\x04" + std::string(100, 'x'), "a zip archive");
  refused("\x89HDF\r\n\x1a\n" + std::string(100, 'x'), "an HDF5 file");
  refused("\x80\x02}q" + std::string(100, 'x'), "a Python pickle");
  for (const std::string& pickle :
       {std::string("\x80\x02}q\0.", 6), std::string("\x80\x02}q\0{\0\0{", 9), std::string("\x80\x04N."),
        std::string("(dp0\nVa\np1\nI1\ns."), std::string("(lp0\n."), std::string("}q\0.", 4),
        std::string("ccollections\nOrderedDict\np0\n(tRp1\n."), std::string("c__builtin__\nset\n(")}) {
    refused(pickle, "a Python pickle, as PyTorch's older .pt and .pth are (safetensors.torch.save_file converts");
  }
  refused("PK\x03\x04", "a zip archive, as PyTorch's .pt and .pth are (safetensors.torch.save_file converts");
  refused("case\nof\nbeer", "is no safetensors file");
  refused("\x1f\x8b" + std::string(100, 'x'), "gzip-compressed");
  refused(length_of(348).substr(0, 4) + std::string(340, '\0') + std::string("n+1\0", 4), "a NIfTI file");
  refused(length_of(1000) + "{}", "announces a header of 1000 bytes, but has 10");
  refused(length_of(std::numeric_limits<std::uint64_t>::max()) + "{}", "announces a header of 18446744073709551615");
  refused(file_with("{\"a\":"), "the header is not JSON");
  refused(file_with("{} x"), "the header is not JSON");
  refused(file_with(std::string(200000, '{')), "not JSON");
  refused(file_with("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}"), "nests deeper");
  refused(file_with("{\"a\":1}"), "tensor 'a' wants a dtype, a shape and two data_offsets");
  refused(file_with(R"({"__metadata__":{"a":1}})"), "__metadata__ 'a' is no string");
  refused(file_with(R"({"__metadata__":[]})"), "__metadata__ is no object");
  refused(file_with(R"({"a":{},"a":{}})"), "names 'a' twice");
  refused(one(good + R"(,"dtype":"F64")"), "names 'dtype' twice");
  refused(one(R"("dtype":"F16","shape":[2],"data_offsets":[0,8])"), "is F16, wants F32, F64, BF16, U8 or I64");
  refused(one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "the shape holds -2");
  refused(one(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), "the shape holds 2.0");
  refused(one(R"("dtype":"F32","shape":[[]],"data_offsets":[0,8])"), "the shape holds []");
  refused(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"), "exceeds any file");
  refused(one(R"("dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0])"), "exceeds any file");
  refused(one(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8])"), "exceeds any file");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,9])"), "lies in bytes 0 to 9, but the file holds 8");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "lies in bytes 8 to 0");
  refused(one(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), "has 8 bytes, its shape [3] of F32 wants 12");
  refused(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), "starts at byte 4, wants 0");
  refused(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "holds 8 bytes of data, its tensors only 4");
  refused(file_with(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                    R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                    "12345678"),
          "tensor 'b' starts at byte 4, wants 8");
  const std::string whole = one(good);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CHECK_THROWS_AS(SafetensorsFile(put(folder, whole.substr(0, n))), DataError);
  }
  CHECK_THROWS_AS(SafetensorsFile(folder.path()), DataError);
  CHECK_THROWS_WITH(SafetensorsFile(folder / "none"), ContainsSubstring("cannot open"));
}

}  // namespace
}  // namespace vox::test
