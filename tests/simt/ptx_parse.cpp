#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "kernels/base/check.h"
#include "tests/simt/ptx_program.h"
#include "tests/simt/ptx_text.h"

namespace vox::ptx {
namespace {

constexpr std::int64_t kMostRegisters = 1 << 16;  // of a function
constexpr int kMostNesting = 4;                   // of an operand
constexpr int kCalled = 1 << 24;  // registers of called functions begin here, until all of the kernels' are known

class Parser {
 public:
  Module read(std::string text) {
    text_ = std::move(text);
    std::size_t at = 0;
    while (at < text_.size()) { at = top_level(at); }
    link();
    return std::move(m_);
  }

 private:
  /// One declaration or function; returns where the next begins.
  std::size_t top_level(std::size_t at) {
    while (at < text_.size() && std::isspace(static_cast<unsigned char>(text_[at])) != 0) { ++at; }
    if (at >= text_.size()) { return at; }
    for (const char* directive : {".version", ".target", ".address_size", ".file"}) {
      if (text_.compare(at, std::strlen(directive), directive) == 0) { return text_.find('\n', at); }
    }
    std::size_t end = text_.find_first_of(";{", at);
    if (end == std::string::npos) { return text_.size(); }
    const std::string head = text_.substr(at, end - at);
    const bool function = head.find(".entry") != std::string::npos || head.find(".func") != std::string::npos;
    if (!function) {
      end = std::min(text_.find(';', at), text_.size());
      declare(trim(text_.substr(at, end - at)), nullptr);
      return end + 1;
    }
    if (text_[end] == ';') { return end + 1; }  // a forward declaration
    std::size_t close = end;
    int depth = 0;
    do {
      VOX_CHECK(close < text_.size(), "PTX: a function without an end: {}", trim(head));
      depth += static_cast<int>(text_[close] == '{') - static_cast<int>(text_[close] == '}');
      ++close;
    } while (depth > 0);
    define(head, text_.substr(end + 1, close - end - 2));
    return close;
  }

  void define(const std::string& head, const std::string& body) {
    Function f;
    const std::size_t entry = head.find(".entry");
    f.is_kernel = entry != std::string::npos;
    std::size_t name = f.is_kernel ? entry + 6 : head.find(".func") + 5;
    name = std::min(head.find_first_not_of(" \t\n", name), head.size());
    if (head[name] == '(') {
      const std::size_t close = head.find(')', name);
      VOX_CHECK(close != std::string::npos, "PTX: a function without a name: {}", trim(head));
      f.result_register = value_parameter(f, last_word(head.substr(name + 1, close - name - 1)));
      name = std::min(head.find_first_not_of(" \t\n", close + 1), head.size());
    }
    const std::size_t open = head.find('(', name);
    f.name = trim(head.substr(name, open - name));
    const std::size_t close = head.rfind(')');
    VOX_CHECK(!f.name.empty() && (open == std::string::npos || (close != std::string::npos && close > open)),
              "PTX: a function without a name or parameters: {}", trim(head));
    for (const std::string& p : split(open == std::string::npos ? "" : head.substr(open + 1, close - open - 1))) {
      parameter(f, p);
    }
    f.entry = static_cast<int>(m_.code.size());
    statements(f, body);
    Instruction end;  // falling off the end of a body
    end.op = Op::ret;
    end.text = "ret";
    m_.code.push_back(end);
    for (std::size_t i = static_cast<std::size_t>(f.entry); i < m_.code.size(); ++i) { resolve(f, m_.code[i]); }
    m_.functions[f.name] = f;
  }

  static std::string last_word(const std::string& s) {
    const std::string t = trim(s);
    return t.substr(t.find_last_of(" \t") + 1);
  }

  int value_register(Function& f, const std::string& name) {
    int& next = f.is_kernel ? f.register_count : called_registers_;
    const auto [at, is_new] = f.registers.try_emplace(name, f.is_kernel ? next : kCalled + next);
    if (is_new) { ++next; }
    return at->second;
  }

  int value_parameter(Function& f, const std::string& name) {
    f.value_parameters.insert(name);
    return value_register(f, name);
  }

  /// Registers of called functions to behind those of the kernels.
  void place(int& reg) const {
    if (reg >= kCalled) { reg += kernel_registers_ - kCalled; }
  }
  void place(Operand& o) const {
    place(o.reg);
    for (Operand& part : o.parts) { place(part); }
  }

  void parameter(Function& f, const std::string& text) {
    std::istringstream words(text);
    std::string word;
    std::size_t alignment = 0;
    Type type;
    while (words >> word) {
      if (word == ".align") {
        words >> alignment;
      } else if (word[0] == '.') {
        static_cast<void>(parse_type(word.substr(1), type));
      }
    }
    const std::size_t bracket = word.find('[');
    const std::size_t bytes = bytes_of(type, word);
    word = word.substr(0, bracket);
    if (!f.is_kernel) {
      VOX_CHECK(bracket == std::string::npos, "PTX: {} takes an array: {}", f.name, text);
      f.parameter_registers.push_back(value_parameter(f, word));
      return;
    }
    f.parameter_bytes =
        aligned(f.parameter_bytes, std::max({std::size_t{1}, alignment, static_cast<std::size_t>(type.bytes())}));
    f.parameters.push_back({word, f.parameter_bytes, bytes});
    f.symbols[word] = f.parameter_bytes;
    f.parameter_bytes += bytes;
  }

  /// Cuts a body at semicolons and labels. Braces that open a block of statements mean nothing; those of a vector stay.
  void statements(Function& f, const std::string& body) {
    std::string s;
    int vector = 0;
    bool empty = true;  // s, but for space
    for (std::size_t i = 0; i < body.size(); ++i) {
      const char c = body[i];
      if ((c == '{' || c == '}') && empty) { continue; }
      vector += static_cast<int>(c == '{') - static_cast<int>(c == '}');
      const bool scope = c == ':' && (body[i + 1] == ':' || (i > 0 && body[i - 1] == ':'));
      if (c == ';' && vector == 0) {
        statement(f, trim(s));
        s.clear();
        empty = true;
      } else if (c == ':' && !scope && trim(s).find_first_of(" \t") == std::string::npos) {
        f.labels[trim(s)] = static_cast<int>(m_.code.size());
        s.clear();
        empty = true;
      } else {
        s += c;
        empty = empty && std::isspace(static_cast<unsigned char>(c)) != 0;
      }
    }
  }

  void statement(Function& f, std::string s) {
    if (s.empty()) { return; }
    if (s[0] == '.') { return declare(s, &f); }
    Instruction in;
    in.text = s;
    if (s[0] == '@') {
      const std::size_t space = s.find_first_of(" \t");
      VOX_CHECK(space != std::string::npos && space > 2, "PTX: '{}' is a predicate and no instruction", s);
      in.guard_negated = s[1] == '!';
      const std::string name = s.substr(in.guard_negated ? 2 : 1, space - (in.guard_negated ? 2 : 1));
      VOX_CHECK(f.registers.contains(name), "PTX: '{}' asks for an unknown predicate", s);
      in.guard = f.registers.at(name);
      s = trim(s.substr(space));
    }
    const std::size_t end = std::min(s.find_first_of(" \t\n{["), s.size());
    decode_name(s.substr(0, end), in);
    for (const std::string& text : split(s.substr(end))) {
      Operand o;
      o.text = text;
      in.operands.push_back(o);
    }
    m_.code.push_back(in);
  }

  /// .reg, .shared, .local, .global, .const and .param declarations; other directives say nothing about what runs.
  void declare(const std::string& s, Function* f) {
    std::istringstream words(s);
    std::string word;
    std::string space;
    bool external = false;
    std::size_t alignment = 1;
    Type type;
    while (words >> word) {
      if (word == ".align") {
        words >> alignment;
      } else if (word == ".extern") {
        external = true;
      } else if (word == ".reg" || word == ".shared" || word == ".local" || word == ".global" || word == ".const" ||
                 word == ".param") {
        space = word;
      } else if (word[0] == '.' && parse_type(word.substr(1), type)) {
        break;
      } else if (word != ".visible" && word != ".weak" && word != ".common") {
        return;
      }
    }
    std::string rest;
    std::getline(words, rest, '\0');
    VOX_CHECK(f != nullptr || (space != ".reg" && space != ".param"), "PTX: outside of a function: {}", s);
    if (space == ".reg") {
      for (const std::string& name : split(rest)) { registers(*f, name); }
    } else if (space == ".param") {
      VOX_CHECK(rest.find('[') == std::string::npos, "PTX: an array is handed to a function: {}", s);
      value_parameter(*f, trim(rest));
    } else if (!space.empty()) {
      variable(f, space, external, alignment, type, trim(rest));
    }
  }

  void registers(Function& f, const std::string& name) {
    const std::size_t bracket = name.find('<');
    if (bracket == std::string::npos) {
      value_register(f, name);
      return;
    }
    const std::int64_t count = std::strtoll(name.c_str() + bracket + 1, nullptr, 10);
    VOX_CHECK(count <= kMostRegisters - f.register_count - called_registers_, "PTX: too many registers: {}", name);
    for (std::int64_t i = 0; i < count; ++i) { value_register(f, name.substr(0, bracket) + std::to_string(i)); }
  }

  void variable(Function* f, const std::string& space, bool external, std::size_t alignment, const Type& type,
                const std::string& text) {
    const std::size_t equals = text.find('=');
    std::string name = trim(text.substr(0, equals));
    const std::size_t bytes = bytes_of(type, name);
    name = trim(name.substr(0, name.find('[')));
    auto& symbols = f == nullptr ? m_.symbols : f->symbols;
    if (space == ".shared" || space == ".local") {
      if (external) {
        m_.symbols[name] = kDynamicShared;
        return;
      }
      std::size_t& total = space == ".local" ? m_.local_bytes : f == nullptr ? m_.shared_bytes : f->shared_bytes;
      total = aligned(total, alignment);
      symbols[name] = total + (space == ".shared" && f != nullptr ? kFileShared : 0);
      total += bytes;
      return;
    }
    m_.statics.emplace_back((bytes + 7) / 8, 0);
    auto* data = reinterpret_cast<std::byte*>(m_.statics.back().data());
    symbols[name] = reinterpret_cast<std::uint64_t>(data);
    if (equals == std::string::npos) { return; }
    const std::string values = trim(text.substr(equals + 1));
    std::size_t at = 0;
    const auto each = static_cast<std::size_t>(type.bytes());
    for (const std::string& v : split(values[0] == '{' ? inside(values) : values)) {
      const std::uint64_t bits = number(v);
      VOX_CHECK(each <= sizeof bits && at + each <= bytes, "PTX: '{}' has more values than room", name);
      std::memcpy(data + at, &bits, each);
      at += each;
    }
  }

  /// Operands, once every name of the function is known.
  void resolve(Function& f, Instruction& in) {
    if (in.op == Op::call) { return resolve_call(f, in); }
    for (Operand& o : in.operands) { o = operand(f, o.text); }
    if (in.op == Op::bra) {
      VOX_CHECK(!in.operands.empty(), "PTX: '{}' goes nowhere", in.text);
      const auto label = f.labels.find(in.operands[0].text);
      VOX_CHECK(label != f.labels.end(), "PTX: no label for '{}'", in.text);
      in.target = label->second;
    }
  }

  /// call (result), function, (arguments): operands become the registers of result and arguments.
  void resolve_call(const Function& f, Instruction& in) {
    std::vector<std::string> parts;
    for (const Operand& o : in.operands) { parts.push_back(o.text); }
    const auto list = [](const std::string& s) { return split(inside(s)); };
    const bool has_result = !parts.empty() && parts[0][0] == '(';
    VOX_CHECK(parts.size() > (has_result ? 1U : 0U), "PTX: '{}' names no function", in.text);
    in.callee = parts[has_result ? 1 : 0];
    const std::vector<std::string> results = has_result ? list(parts[0]) : std::vector<std::string>{""};
    VOX_CHECK(results.size() == 1, "PTX: '{}' wants one result", in.text);
    std::vector<std::string> names = results;
    const std::size_t arguments = has_result ? 2 : 1;
    if (parts.size() > arguments) {
      for (const std::string& a : list(parts[arguments])) { names.push_back(a); }
    }
    in.operands.clear();
    for (const std::string& n : names) {
      Operand o;
      o.what = Operand::What::reg;
      VOX_CHECK(n.empty() || f.registers.contains(n), "PTX: '{}' hands over {}, which is no register", in.text, n);
      o.reg = n.empty() ? -1 : f.registers.at(n);
      in.operands.push_back(o);
    }
  }

  Operand operand(const Function& f, const std::string& text, int depth = 0) {
    VOX_CHECK(depth <= kMostNesting, "PTX: an operand nests too deeply: {}", text);
    Operand o;
    o.text = text;
    const std::size_t bar = text.find('|');
    if (text[0] == '{' || (bar != std::string::npos && text[0] == '%')) {
      o.what = Operand::What::vector;
      std::string inner = text[0] == '{' ? inside(text) : text;
      std::ranges::replace(inner, '|', ',');
      for (const std::string& part : split(inner)) { o.parts.push_back(operand(f, part, depth + 1)); }
    } else if (text[0] == '[') {
      o.what = Operand::What::memory;
      const std::string inner = trim(inside(text));
      const std::size_t plus = inner.find('+', 1);
      o.parts.push_back(operand(f, trim(inner.substr(0, plus)), depth + 1));
      if (plus != std::string::npos) { o.offset = std::strtoll(inner.c_str() + plus + 1, nullptr, 0); }
    } else if (text[0] == '!') {
      o = operand(f, trim(text.substr(1)), depth + 1);
      o.negated = true;
    } else if (f.registers.contains(text)) {
      o.what = Operand::What::reg;
      o.reg = f.registers.at(text);
      o.parameter = f.value_parameters.contains(text);
    } else if (text == "_") {
      o.what = Operand::What::ignored;
    } else if (text[0] == '%') {
      o.what = Operand::What::special;
    } else if (std::isdigit(static_cast<unsigned char>(text[0])) != 0 || text[0] == '-') {
      o.value = number(text);
    } else if (f.symbols.contains(text) || m_.symbols.contains(text)) {
      o.value = f.symbols.contains(text) ? f.symbols.at(text) : m_.symbols.at(text);
    } else {
      o.what = Operand::What::label;
    }
    return o;
  }

  void link() {
    for (auto& [name, f] : m_.functions) { kernel_registers_ = std::max(kernel_registers_, f.register_count); }
    m_.registers = kernel_registers_ + called_registers_;
    for (auto& [name, f] : m_.functions) {
      place(f.result_register);
      for (int& reg : f.parameter_registers) { place(reg); }
    }
    for (Instruction& in : m_.code) {
      place(in.guard);
      for (Operand& o : in.operands) { place(o); }
      if (in.op != Op::call) { continue; }
      VOX_CHECK(m_.functions.contains(in.callee), "PTX: '{}' calls a function that is not in the file", in.text);
      in.target = m_.functions.at(in.callee).entry;
    }
  }

  std::string text_;
  Module m_;
  int kernel_registers_ = 0;
  int called_registers_ = 0;
};

}  // namespace

Module parse(const std::string& path) {
  std::ifstream file(path);
  VOX_CHECK(file.good(), "PTX: cannot read {}", path);
  std::string text;
  for (std::string line; std::getline(file, line);) { text += line.substr(0, line.find("//")) + "\n"; }
  return Parser().read(std::move(text));
}

}  // namespace vox::ptx
