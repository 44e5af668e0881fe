#include "tools/verbs/config.h"

#include <fmt/core.h>
#include <toml++/toml.h>

#include <algorithm>
#include <map>

#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

std::optional<Command> find_verb(Command app, const std::string& name) {
  for (const Command verb : app.commands()) {
    if (verb.name() == name) { return verb; }
  }
  return {};
}

using Values = std::map<std::string, std::vector<std::string>>;  // by option

constexpr const char* kConfig = "--config";
constexpr const char* kSet = "--set";

/// The long options that a file may set.
std::vector<std::string> keys(Command verb) {
  std::vector<std::string> names = verb.long_names();
  std::erase_if(names, [](const std::string& n) { return n == "help" || n == "config" || n == "set"; });
  return names;
}

Option option_of(Command verb, const std::string& key) {
  for (const Option& option : verb.options()) {
    if (std::ranges::count(option.long_names(), key) > 0) { return option; }
  }
  VOX_FAIL("'{}' is no option of {}", key, verb.name());
}

struct Settings {
  Command app;
  Command verb;
  Values values;

  /// Takes a value over, if it is one of this verb's; `where` is the file, or "--set".
  void put(const std::string& where, const std::string& key, std::vector<std::string> value) {
    std::string option = key;
    std::replace(option.begin(), option.end(), '_', '-');
    const std::vector<std::string> known = keys(verb);
    if (std::find(known.begin(), known.end(), option) == known.end()) {
      const std::string near = nearest(option, known);
      VOX_FAIL("{}: '{}' is no option of {}{}", where, key, verb.name(),
               near.empty() ? "" : fmt::format("; the nearest is '{}'", near));
    }
    values[option] = std::move(value);
  }

  [[nodiscard]] bool is_verb(const std::string& word) const { return find_verb(app, word).has_value(); }
};

std::string to_text(const std::string& where, const std::string& key, const toml::node& node) {
  if (const auto* s = node.as_string()) { return s->get(); }
  if (const auto* i = node.as_integer()) { return std::to_string(i->get()); }
  if (const auto* f = node.as_floating_point()) { return fmt::format("{}", f->get()); }
  if (const auto* b = node.as_boolean()) { return b->get() ? "true" : "false"; }
  VOX_FAIL("{}: the value of '{}' is no string, number, truth value or list of these", where, key);
}

void put_node(Settings& settings, const std::string& where, const std::string& key, const toml::node& node) {
  std::vector<std::string> texts;
  if (const auto* list = node.as_array()) {
    for (const toml::node& item : *list) { texts.push_back(to_text(where, key, item)); }
  } else {
    texts.push_back(to_text(where, key, node));
  }
  settings.put(where, key, std::move(texts));
}

void put_file(Settings& settings, const std::string& file) {
  toml::table root;
  try {
    root = toml::parse(read_file(file), file);
  } catch (const DataError& e) { VOX_FAIL("{}", e.what()); } catch (const toml::parse_error& e) {
    VOX_FAIL("{}: line {}: {}", file, e.source().begin.line, std::string(e.description()));
  }
  const std::string& verb = settings.verb.name();
  for (const auto& [key, node] : root) {
    const std::string word(key.str());
    if (!node.is_table()) { put_node(settings, file, word, node); }
    VOX_CHECK(!node.is_table() || settings.is_verb(word), "{}: [{}] is no verb of voxgrad", file, word);
  }
  if (const auto* section = root[verb].as_table()) {
    for (const auto& [key, node] : *section) { put_node(settings, file, std::string(key.str()), node); }
  }
}

void put_setting(Settings& settings, const std::string& setting) {
  const std::size_t equals = setting.find('=');
  VOX_CHECK(equals != std::string::npos && equals > 0, "--set {}: wants KEY=VALUE", setting);
  std::string key = setting.substr(0, equals);
  if (const std::size_t dot = key.find('.'); dot != std::string::npos && settings.is_verb(key.substr(0, dot))) {
    if (key.substr(0, dot) != settings.verb.name()) { return; }
    key.erase(0, dot + 1);
  }
  settings.put(kSet, key, {setting.substr(equals + 1)});
}

/// The values of an option among the arguments, as "--name value" or "--name=value".
std::vector<std::string> values_of(const std::string& name, const std::vector<std::string>& arguments) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == name && i + 1 < arguments.size()) { found.push_back(arguments[i + 1]); }
    if (arguments[i].starts_with(name + "=")) { found.push_back(arguments[i].substr(name.size() + 1)); }
  }
  return found;
}

bool is_given(const Option& option, const std::vector<std::string>& arguments) {
  return std::ranges::any_of(arguments, [&](const std::string& a) {
    const std::string word = a.substr(0, a.find('='));
    return std::ranges::any_of(option.long_names(), [&](const std::string& n) { return word == "--" + n; }) ||
           std::ranges::any_of(option.short_names(),
                               [&](const std::string& n) { return !a.starts_with("--") && a.starts_with("-" + n); });
  });
}

}  // namespace

void add_config_options(Command verb) {
  const auto nowhere = [](const std::string&) {};  // apply_config() has read them by then
  verb.option_to(kConfig, nowhere, "TOML file with any of these options, without their dashes")
      .type_name("FILE")
      .group("Configuration");
  verb.option_to(kSet, nowhere, "set an option as a line of that file would; repeatable")
      .type_name("KEY=VALUE")
      .repeatable()
      .group("Configuration");
}

std::vector<std::string> apply_config(Command app, const std::vector<std::string>& arguments) {
  const auto at = std::find_if(arguments.begin(), arguments.end(),
                               [&](const std::string& a) { return find_verb(app, a).has_value(); });
  if (at == arguments.end()) { return arguments; }
  const std::vector<std::string> explicit_ones(at + 1, arguments.end());
  Settings settings{.app = app, .verb = *find_verb(app, *at), .values = {}};
  for (const std::string& file : values_of(kConfig, explicit_ones)) { put_file(settings, file); }
  for (const std::string& setting : values_of(kSet, explicit_ones)) { put_setting(settings, setting); }

  std::vector<std::string> result(arguments.begin(), at + 1);
  for (const auto& [key, values] : settings.values) {
    const Option option = option_of(settings.verb, key);
    if (is_given(option, explicit_ones)) { continue; }
    for (const std::string& value : values) {
      if (!option.is_flag()) {
        if (value.empty()) {  // after "--key=" the parser would take the next argument for the value
          result.insert(result.end(), {"--" + key, ""});
        } else {
          result.push_back(fmt::format("--{}={}", key, value));
        }
      } else {
        VOX_CHECK(value == "true" || value == "false", "'{}' is {}, wants true or false", key, value);
        if (value == "true") { result.push_back("--" + key); }
      }
    }
  }
  result.insert(result.end(), at + 1, arguments.end());
  return result;
}

}  // namespace vox
