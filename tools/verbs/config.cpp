#include "tools/verbs/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "kernels/base/check.h"

namespace vox {
namespace {

const CLI::App* find_verb(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&](const CLI::App* verb) { return verb->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

using Values = std::map<std::string, std::vector<std::string>>;  // by option

constexpr const char* kConfig = "--config";
constexpr const char* kSet = "--set";

struct Settings {
  const CLI::App& app;
  const CLI::App& verb;
  Values values;

  /// Takes a value over, if it is one of this verb's; `where` is the file, or "--set".
  void put(const std::string& where, const std::string& key, std::vector<std::string> value) {
    std::string option = key;
    std::replace(option.begin(), option.end(), '_', '-');
    const std::vector<std::string> known = long_options(verb);
    if (std::find(known.begin(), known.end(), option) == known.end()) {
      const std::string near = nearest(option, known);
      VOX_FAIL("{}: '{}' is no option of {}{}", where, key, verb.get_name(),
               near.empty() ? "" : fmt::format("; the nearest is '{}'", near));
    }
    values[option] = std::move(value);
  }

  [[nodiscard]] bool is_verb(const std::string& word) const { return find_verb(app, word) != nullptr; }
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
    root = toml::parse_file(file);
  } catch (const toml::parse_error& e) {
    VOX_FAIL("{}: line {}: {}", file, e.source().begin.line, std::string(e.description()));
  }
  const std::string& verb = settings.verb.get_name();
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
    if (key.substr(0, dot) != settings.verb.get_name()) { return; }
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

bool is_given(const CLI::Option& option, const std::vector<std::string>& arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& a) {
    const std::string word = a.substr(0, a.find('='));
    return std::any_of(option.get_lnames().begin(), option.get_lnames().end(),
                       [&](const std::string& n) { return word == "--" + n; }) ||
           std::any_of(option.get_snames().begin(), option.get_snames().end(),
                       [&](const std::string& n) { return !a.starts_with("--") && a.starts_with("-" + n); });
  });
}

bool is_flag(const CLI::Option& option) { return option.get_expected_max() == 0; }

}  // namespace

void add_config_options(CLI::App& verb) {
  verb.add_option(kConfig, "TOML file with any of these options, without their dashes")
      ->type_name("FILE")
      ->group("Configuration");
  verb.add_option(kSet, "set an option as a line of that file would; repeatable")
      ->type_name("KEY=VALUE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group("Configuration");
}

std::vector<std::string> long_options(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& n : option->get_lnames()) {
      if (n != "help" && n != "config" && n != "set") { names.push_back(n); }
    }
  }
  return names;
}

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  const auto edits = [&](const std::string& other) {  // Levenshtein
    std::vector<std::size_t> row(other.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) { row[j] = j; }
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t change = diagonal + (word[i - 1] == other[j - 1] ? 0 : 1);
        diagonal = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
      }
    }
    return row.back();
  };
  std::string best;
  std::size_t fewest = std::max<std::size_t>(2, word.size() / 2) + 1;
  for (const std::string& k : known) {
    if (const std::size_t n = edits(k); n < fewest) {
      fewest = n;
      best = k;
    }
  }
  return best;
}

std::vector<std::string> apply_config(const CLI::App& app, const std::vector<std::string>& arguments) {
  const auto at = std::find_if(arguments.begin(), arguments.end(),
                               [&](const std::string& a) { return find_verb(app, a) != nullptr; });
  if (at == arguments.end()) { return arguments; }
  const std::vector<std::string> explicit_ones(at + 1, arguments.end());
  Settings settings{.app = app, .verb = *find_verb(app, *at), .values = {}};
  for (const std::string& file : values_of(kConfig, explicit_ones)) { put_file(settings, file); }
  for (const std::string& setting : values_of(kSet, explicit_ones)) { put_setting(settings, setting); }

  std::vector<std::string> result(arguments.begin(), at + 1);
  for (const auto& [key, values] : settings.values) {
    const CLI::Option& option = *settings.verb.get_option_no_throw("--" + key);
    if (is_given(option, explicit_ones)) { continue; }
    for (const std::string& value : values) {
      if (!is_flag(option)) {
        if (value.empty()) {  // after "--key=" CLI11 would take the next argument for the value
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
