#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/check.h"
#include "tools/ui/command_texts.h"

namespace vox {
namespace {

/// What comes after an option.
enum class Value : std::uint8_t { none, words, files, other };

struct Entry {
  std::vector<std::string> names;  ///< with dashes
  std::string says;
  Value value = Value::none;
  std::vector<std::string> words;
};

struct Verb {
  std::string name;
  std::string says;
  std::vector<Entry> options;
  std::vector<std::string> words;  ///< what may stand without an option's name
};

Value value_of(const Option& o) {
  if (o.is_flag()) { return Value::none; }
  if (!o.choices().empty()) { return Value::words; }
  const std::string type = o.type();
  const bool file = type.starts_with("TEXT") || type.starts_with("PATH") || type.starts_with("FILE");
  return file ? Value::files : Value::other;
}

Verb facts_of(Command c) {
  Verb verb{.name = c.name(), .says = c.says(), .options = {}, .words = {}};
  for (const Option& o : c.options()) {
    Entry e{.names = {}, .says = o.says(), .value = value_of(o), .words = o.choices()};
    for (const std::string& n : o.short_names()) { e.names.push_back("-" + n); }
    for (const std::string& n : o.long_names()) { e.names.push_back("--" + n); }
    if (e.names.empty()) {
      verb.words = o.choices();
    } else {
      verb.options.push_back(std::move(e));
    }
  }
  return verb;
}

/// In single quotes, for bash, zsh and fish.
std::string in_quotes(std::string_view text, bool fish = false) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += fish ? "\\'" : "'\\''";
    } else if (c == '\\' && fish) {
      out += "\\\\";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string names_of(const Verb& v) {
  std::vector<std::string> names = v.words;
  for (const Entry& e : v.options) { names.insert(names.end(), e.names.begin(), e.names.end()); }
  return fmt::format("{}", fmt::join(names, " "));
}

std::string all_names(const std::vector<Verb>& verbs) {
  std::vector<std::string> names;
  for (const Verb& v : verbs) { names.push_back(v.name); }
  return fmt::format("{}", fmt::join(names, " "));
}

/// `case "$prev"` of one verb: words for what an option takes.
std::string bash_values(const Verb& v) {
  std::string text;
  for (const Entry& e : v.options) {
    if (e.value == Value::none) { continue; }
    const std::string pattern = fmt::format("{}", fmt::join(e.names, " | "));
    if (e.value == Value::words) {
      text += fmt::format("        {}) words={} kind=words ;;\n", pattern,
                          in_quotes(fmt::format("{}", fmt::join(e.words, " "))));
    } else {
      text += fmt::format("        {}) words='' kind={} ;;\n", pattern, e.value == Value::files ? "files" : "none");
    }
  }
  return text;
}

std::string bash_script(const Verb& program, const std::vector<Verb>& verbs) {
  std::string text = fmt::format(
      "# bash completion for {0}: source it, or put it into share/bash-completion/completions\n"
      "_{0}() {{\n"
      "  local cur=\"${{COMP_WORDS[COMP_CWORD]}}\" prev=\"${{COMP_WORDS[COMP_CWORD-1]}}\" verb='' words kind=any word\n"
      "  if [ \"$cur\" = = ]; then cur=''; elif [ \"$prev\" = = ]; then prev=\"${{COMP_WORDS[COMP_CWORD-2]}}\"; fi\n"
      "  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n"
      "    case \"$word\" in {1}) verb=\"$word\"; break ;; esac\n"
      "  done\n"
      "  case \"$verb\" in\n"
      "    '') words={2} kind=words ;;\n",
      program.name,
      [&] {
        std::string pattern = all_names(verbs);
        std::ranges::replace(pattern, ' ', '|');
        return pattern;
      }(),
      in_quotes(all_names(verbs) + ' ' + names_of(program)));
  for (const Verb& v : verbs) {
    text += fmt::format("    {})\n      words={}\n", v.name, in_quotes(names_of(v)));
    const std::string values = bash_values(v);
    if (!values.empty()) { text += "      case \"$prev\" in\n" + values + "      esac ;;\n"; }
    if (values.empty()) { text += "      ;;\n"; }
  }
  return text + fmt::format(
                    "  esac\n"
                    "  COMPREPLY=()\n"
                    "  if [ \"$kind\" = files ] || {{ [ \"$kind\" = any ] && [ -n \"$cur\" ] && [ \"${{cur:0:1}}\" != "
                    "- ]; }}; then\n"
                    "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
                    "  fi\n"
                    "  if [ -n \"$words\" ]; then\n"
                    "    mapfile -t -O \"${{#COMPREPLY[@]}}\" COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                    "  fi\n"
                    "}}\n"
                    "complete -o filenames -F _{0} {0}\n",
                    program.name);
}

/// "name:what it says" of _describe.
std::string described(const std::string& name, const std::string& says) { return in_quotes(name + ':' + says); }

std::string zsh_script(const Verb& program, const std::vector<Verb>& verbs) {
  std::string text = fmt::format(
      "#compdef {0}\n"
      "_{0}() {{\n"
      "  local verb='' word prev=\"${{words[CURRENT-1]}}\"\n"
      "  local -a verbs options\n"
      "  verbs=(\n",
      program.name);
  for (const Verb& v : verbs) { text += fmt::format("    {}\n", described(v.name, v.says)); }
  std::string pattern = all_names(verbs);
  std::ranges::replace(pattern, ' ', '|');
  text += fmt::format(
      "  )\n"
      "  for word in ${{words[2,CURRENT-1]}}; do\n"
      "    case $word in {}) verb=$word; break ;; esac\n"
      "  done\n"
      "  case $verb in\n"
      "    '') _describe verb verbs; return ;;\n",
      pattern);
  for (const Verb& v : verbs) {
    text += fmt::format("    {})\n      case $prev in\n", v.name);
    for (const Entry& e : v.options) {
      if (e.value == Value::none) { continue; }
      const std::string names = fmt::format("{}", fmt::join(e.names, "|"));
      const std::string action = e.value == Value::words   ? fmt::format("compadd -- {}", fmt::join(e.words, " "))
                                 : e.value == Value::files ? std::string("_files")
                                                           : std::string("_message value");
      text += fmt::format("        {}) {}; return ;;\n", names, action);
    }
    text += "      esac\n      options=(\n";
    for (const std::string& w : v.words) { text += fmt::format("        {}\n", in_quotes(w)); }
    for (const Entry& e : v.options) {
      for (const std::string& n : e.names) { text += fmt::format("        {}\n", described(n, e.says)); }
    }
    text += "      ) ;;\n";
  }
  return text + fmt::format(
                    "  esac\n"
                    "  _describe option options\n"
                    "  [[ ${{words[CURRENT]}} == -* ]] || _files\n"
                    "}}\n"
                    "if [[ ${{funcstack[1]}} == _{0} ]]; then _{0} \"$@\"; else compdef _{0} {0}; fi\n",
                    program.name);
}

std::string fish_option(const std::string& program, const std::string& when, const Entry& e) {
  std::string line = fmt::format("complete -c {} -n {}", program, in_quotes(when, true));
  for (const std::string& n : e.names) {
    line += n.starts_with("--") ? fmt::format(" -l {}", n.substr(2)) : fmt::format(" -s {}", n.substr(1));
  }
  switch (e.value) {
    case Value::none:
      break;
    case Value::words:
      line += fmt::format(" -x -a {}", in_quotes(fmt::format("{}", fmt::join(e.words, " ")), true));
      break;
    case Value::files:
      line += " -r -F";
      break;
    case Value::other:
      line += " -x";
      break;
  }
  return line + fmt::format(" -d {}\n", in_quotes(e.says, true));
}

std::string fish_script(const Verb& program, const std::vector<Verb>& verbs) {
  const std::string& name = program.name;
  std::string text = fmt::format("# fish completion for {0}\ncomplete -c {0} -n __fish_use_subcommand -f\n", name);
  for (const Verb& v : verbs) {
    text +=
        fmt::format("complete -c {} -n __fish_use_subcommand -f -a {} -d {}\n", name, v.name, in_quotes(v.says, true));
  }
  for (const Entry& e : program.options) { text += fish_option(name, "__fish_use_subcommand", e); }
  for (const Verb& v : verbs) {
    const std::string when = "__fish_seen_subcommand_from " + v.name;
    if (!v.words.empty()) {
      text += fmt::format("complete -c {} -n {} -f -a {}\n", name, in_quotes(when, true),
                          in_quotes(fmt::format("{}", fmt::join(v.words, " ")), true));
    }
    for (const Entry& e : v.options) { text += fish_option(name, when, e); }
  }
  return text;
}

}  // namespace

std::string completion_script(Command program, std::string_view shell) {
  const Verb own = facts_of(program);
  std::vector<Verb> verbs;
  for (const Command c : program.commands()) { verbs.push_back(facts_of(c)); }
  if (shell == "bash") { return bash_script(own, verbs); }
  if (shell == "zsh") { return zsh_script(own, verbs); }
  VOX_CHECK(shell == "fish", "completion: shell '{}', wants bash, zsh or fish", shell);
  return fish_script(own, verbs);
}

}  // namespace vox
