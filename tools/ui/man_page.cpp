#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "tools/ui/command_texts.h"

namespace vox {
namespace {

/// Text as roff prints it: no command at the start of a line, backslashes and dashes as they are.
std::string roff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) { out += "\\&"; }
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string heading(const std::string& page, const std::string& version) {
  return fmt::format(".TH {} 1 \"\" \"{}\" \"voxgrad manual\"\n.ad l\n.nh\n", roff(upper(page)), roff(version));
}

/// Lines as they stand: tables of a footer.
std::string verbatim(const std::string& text) { return ".nf\n" + roff(text) + "\n.fi\n"; }

std::string option_entry(const Option& o) {
  std::string names;
  for (const std::string& n : o.short_names()) {
    names += fmt::format("{}\\fB\\-{}\\fR", names.empty() ? "" : ", ", roff(n));
  }
  for (const std::string& n : o.long_names()) {
    names += fmt::format("{}\\fB\\-\\-{}\\fR", names.empty() ? "" : ", ", roff(n));
  }
  if (names.empty()) { names = fmt::format("\\fI{}\\fR", roff(upper(o.positional_name()))); }
  std::string entry = ".TP\n" + names;
  const std::vector<std::string> choices = o.choices();
  if (!o.is_flag() && !o.type().empty()) {
    entry += fmt::format(" \\fI{}\\fR", choices.empty() ? roff(o.type()) : "WORD");
  }
  entry += '\n' + roff(o.says().empty() ? "(no description)" : o.says());
  if (!choices.empty()) {
    entry += fmt::format("\n.br\nOne of: {}", roff(fmt::format("{}", fmt::join(choices, ", "))));
  }
  if (!o.usual().empty()) { entry += fmt::format("\n.br\nDefault: {}", roff(o.usual())); }
  if (o.is_required()) { entry += "\n.br\nRequired."; }
  return entry + '\n';
}

std::string options_section(Command c) {
  std::string text = ".SH OPTIONS\n";
  for (const Option& o : c.options()) { text += option_entry(o); }
  return text;
}

constexpr std::string_view kExitStatus =
    ".SH EXIT STATUS\n0 fine, 1 a gradient check failed, 2 usage, or output that could not be written, 3 data, 4 does "
    "not fit in memory, 5 numbers that are not finite, 130 interrupted.\n";

}  // namespace

std::string man_page(const CommandLine& program, const std::string& version) {
  std::string page = heading(program.name(), version);
  page += fmt::format(".SH NAME\n{} \\- {}\n", roff(program.name()), roff(program.says()));
  page += fmt::format(".SH SYNOPSIS\n\\fB{}\\fR \\fIVERB\\fR [\\fIOPTIONS\\fR]\n.SH VERBS\n", roff(program.name()));
  for (const Command verb : program.commands()) {
    page += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(verb.name()), roff(verb.says()));
  }
  page += options_section(program);
  page += kExitStatus;
  page += ".SH SEE ALSO\n";
  std::string also;
  for (const Command verb : program.commands()) {
    also += fmt::format("{}\\fB{}\\-{}\\fR(1)", also.empty() ? "" : ",\n", roff(program.name()), roff(verb.name()));
  }
  return page + also + '\n';
}

std::string man_page(const CommandLine& program, Command verb, const std::string& version) {
  const std::string own = program.name() + '-' + verb.name();
  std::string page = heading(own, version);
  page += fmt::format(".SH NAME\n{} \\- {}\n", roff(own), roff(verb.says()));
  page += fmt::format(".SH SYNOPSIS\n\\fB{} {}\\fR [\\fIOPTIONS\\fR]\n", roff(program.name()), roff(verb.name()));
  page += options_section(verb);
  if (!verb.footer().empty()) { page += ".SH NOTES\n" + verbatim(verb.footer()); }
  page += kExitStatus;
  return page + fmt::format(".SH SEE ALSO\n\\fB{}\\fR(1)\n", roff(program.name()));
}

}  // namespace vox
