#include <charconv>
#include <unordered_map>

#include "kernels/base/check.h"
#include "tests/simt/ptx_program.h"

namespace vox::ptx {
namespace {

// Inside of functions: the files are read before main, when no order between static objects is given.
const std::unordered_map<std::string_view, Op>& ops() {
  static const std::unordered_map<std::string_view, Op> table = {
      {"mov", Op::mov},
      {"ld", Op::ld},
      {"ldu", Op::ld},
      {"st", Op::st},
      {"add", Op::add},
      {"sub", Op::sub},
      {"mul", Op::mul},
      {"mad", Op::mad},
      {"fma", Op::fma},
      {"div", Op::div},
      {"rem", Op::rem},
      {"min", Op::min},
      {"max", Op::max},
      {"neg", Op::neg},
      {"abs", Op::abs},
      {"and", Op::bit_and},
      {"or", Op::bit_or},
      {"xor", Op::bit_xor},
      {"not", Op::bit_not},
      {"shl", Op::shl},
      {"shr", Op::shr},
      {"setp", Op::setp},
      {"selp", Op::selp},
      {"cvt", Op::cvt},
      {"cvta", Op::cvta},
      {"bra", Op::bra},
      {"ret", Op::ret},
      {"exit", Op::ret},
      {"call", Op::call},
      {"bar", Op::bar},
      {"barrier", Op::bar},
      {"shfl", Op::shfl},
      {"vote", Op::vote},
      {"mma", Op::mma},
      {"ldmatrix", Op::ldmatrix},
      {"cp", Op::cp},
      {"atom", Op::atom},
      {"red", Op::red},
      {"popc", Op::popc},
      {"clz", Op::clz},
      {"brev", Op::brev},
      {"bfe", Op::bfe},
      {"bfi", Op::bfi},
      {"prmt", Op::prmt},
      {"lop3", Op::lop3},
      {"shf", Op::shf},
      {"sqrt", Op::sqrt},
      {"rsqrt", Op::rsqrt},
      {"rcp", Op::rcp},
      {"ex2", Op::ex2},
      {"lg2", Op::lg2},
      {"sin", Op::sin},
      {"cos", Op::cos},
      {"copysign", Op::copysign},
      {"membar", Op::membar},
      {"fence", Op::fence},
      {"griddepcontrol", Op::fence},  // launches follow one another here
      {"mbarrier", Op::mbarrier},
      {"trap", Op::trap},
  };
  return table;
}

const std::unordered_map<std::string_view, Mod>& mods() {
  static const std::unordered_map<std::string_view, Mod> table = {
      {"rn", Mod::rn},
      {"rna", Mod::rn},
      {"rz", Mod::rz},
      {"rm", Mod::rm},
      {"rp", Mod::rp},
      {"rni", Mod::rni},
      {"rzi", Mod::rzi},
      {"rmi", Mod::rmi},
      {"rpi", Mod::rpi},
      {"ftz", Mod::ftz},
      {"sat", Mod::sat},
      {"relu", Mod::relu},
      {"approx", Mod::approx},
      {"full", Mod::full},
      {"lo", Mod::lo},
      {"hi", Mod::hi},
      {"wide", Mod::wide},
      {"uni", Mod::uni},
      {"sync", Mod::sync},
      {"aligned", Mod::aligned},
      {"warp", Mod::warp},
      {"lt", Mod::lt},
      {"le", Mod::le},
      {"gt", Mod::gt},
      {"ge", Mod::ge},
      {"eq", Mod::eq},
      {"ne", Mod::ne},
      {"ls", Mod::ls},
      {"hs", Mod::hs},
      {"ltu", Mod::ltu},
      {"leu", Mod::leu},
      {"gtu", Mod::gtu},
      {"geu", Mod::geu},
      {"equ", Mod::equ},
      {"neu", Mod::neu},
      {"num", Mod::num},
      {"nan", Mod::nan},
      {"NaN", Mod::nan},
      {"and", Mod::bit_and},
      {"or", Mod::bit_or},
      {"xor", Mod::bit_xor},
      {"global", Mod::global},
      {"shared", Mod::shared},
      {"shared::cta", Mod::shared},
      {"shared::cluster", Mod::shared},
      {"local", Mod::local},
      {"param", Mod::param},
      {"const", Mod::constant},
      {"nc", Mod::nc},
      {"v2", Mod::v2},
      {"v4", Mod::v4},
      {"to", Mod::to},
      {"relaxed", Mod::relaxed},
      {"acquire", Mod::acquire},
      {"release", Mod::release},
      {"acq_rel", Mod::release},
      {"sc", Mod::release},
      {"cta", Mod::cta},
      {"gpu", Mod::gpu},
      {"sys", Mod::sys},
      {"cluster", Mod::cluster},
      {"gl", Mod::gl},
      {"up", Mod::up},
      {"down", Mod::down},
      {"bfly", Mod::bfly},
      {"idx", Mod::idx},
      {"ballot", Mod::ballot},
      {"any", Mod::any},
      {"all", Mod::all},
      {"add", Mod::add},
      {"min", Mod::min},
      {"max", Mod::max},
      {"exch", Mod::exch},
      {"cas", Mod::cas},
      {"l", Mod::l},
      {"r", Mod::r},
      {"clamp", Mod::clamp},
      {"wrap", Mod::wrap},
      {"m16n8k16", Mod::m16n8k16},
      {"m16n8k8", Mod::m16n8k8},
      {"m8n8", Mod::m8n8},
      {"x2", Mod::x2},
      {"x4", Mod::x4},
      {"row", Mod::row},
      {"col", Mod::col},
      {"trans", Mod::trans},
      {"async", Mod::async},
      {"bulk", Mod::bulk},
      {"cg", Mod::cg},
      {"ca", Mod::ca},
      {"commit_group", Mod::commit_group},
      {"wait_group", Mod::wait_group},
      {"wait_all", Mod::wait_all},
      {"wait", Mod::wait_all},             // of griddepcontrol
      {"launch_dependents", Mod::arrive},  // of griddepcontrol
      {"init", Mod::init},
      {"arrive", Mod::arrive},
      {"expect_tx", Mod::expect_tx},
      {"try_wait", Mod::try_wait},
      {"test_wait", Mod::test_wait},
      {"parity", Mod::parity},
      {"mbarrier::complete_tx::bytes", Mod::complete_tx},
      {"mbarrier_init", Mod::mbarrier_init},
      {"volatile", Mod::volatile_},
  };
  return table;
}

}  // namespace

bool parse_type(std::string_view word, Type& type) {
  static const std::unordered_map<std::string_view, Type> kNamed = {
      {"pred", {Kind::predicate, 1}},
      {"bf16", {Kind::bf16, 16}},
      {"bf16x2", {Kind::bf16_pair, 32}},
      {"tf32", {Kind::tf32, 32}},
  };
  if (const auto named = kNamed.find(word); named != kNamed.end()) {
    type = named->second;
    return true;
  }
  static const std::unordered_map<char, Kind> kKinds = {
      {'b', Kind::bits}, {'s', Kind::signed_int}, {'u', Kind::unsigned_int}, {'f', Kind::floating}};
  if (word.size() < 2) { return false; }
  const auto kind = kKinds.find(word[0]);
  int bits = 0;
  const auto [end, error] = std::from_chars(word.data() + 1, word.data() + word.size(), bits);
  if (kind == kKinds.end() || error != std::errc{} || end != word.data() + word.size()) { return false; }
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64 && bits != 128) { return false; }
  type = {kind->second, bits};
  return true;
}

void decode_name(std::string_view name, Instruction& in) {
  bool first = true;
  int types = 0;
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    const std::string_view word = name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
    Type type;
    if (first) {
      const auto op = ops().find(word);
      VOX_CHECK(op != ops().end(), "PTX: the interpreter does not know the instruction '{}'", in.text);
      in.op = op->second;
      first = false;
    } else if (parse_type(word, type)) {
      in.to = types++ == 0 ? type : in.type;
      in.type = type;
    } else {
      const auto mod = mods().find(word);
      VOX_CHECK(mod != mods().end(), "PTX: the interpreter does not know '.{}' in '{}'", word, in.text);
      in.mods.set(static_cast<std::size_t>(mod->second));
    }
  }
}

}  // namespace vox::ptx
