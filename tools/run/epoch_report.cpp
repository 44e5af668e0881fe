#include "tools/run/epoch_report.h"

#include <cmath>
#include <string_view>

#include "tools/run/run_history.h"
#include "tools/ui/output.h"

namespace vox {
namespace {

using Dice = std::array<double, kRegions.size()>;

Json scores(const Confusion& c, MacroOver over) {
  const MacroScores s = macro_scores(c, over);
  Json j;
  for (const auto& [label, score] : kMacroScores) { j[label] = s.*score; }
  return j;
}

Json by_region(const Dice& dice) {
  Json j;
  for (std::size_t r = 0; r < kRegions.size(); ++r) { j[name(kRegions[r])] = dice[r]; }
  return j;
}

void say_line(const char* what, const Dice& dice, const Confusion& c) {
  const MacroScores all = macro_scores(c, MacroOver::all_classes);
  const MacroScores tumour = macro_scores(c, MacroOver::foreground);
  print_safely(
      "    {:<15} Dice WT {:.3f} TC {:.3f} ET {:.3f}   IoU {:.3f} ({:.3f})  accuracy {:.3f} ({:.3f})  "
      "precision {:.3f} ({:.3f})  recall {:.3f} ({:.3f})  F1 {:.3f} ({:.3f})\n",
      what, dice[0], dice[1], dice[2], all.iou, tumour.iou, all.accuracy, tumour.accuracy, all.precision,
      tumour.precision, all.recall, tumour.recall, all.f1, tumour.f1);
}

}  // namespace

void say(const Validation& v) {
  print_safely("    validation loss {:.4f}; scores in brackets leave the background out\n", v.loss);
  say_line("validation", v.dice, v.confusion);
  say_line("all background", v.trivial, v.confusion.all_background());
}

Json to_json(const Validation& v, const LossOptions& loss) {
  Json parts = Json::object();
  for (std::size_t t = 0; t < v.loss_parts.size(); ++t) { parts[loss_name({loss.terms.at(t)})] = v.loss_parts[t]; }
  Json cases = Json::array();
  for (const CaseValidation& c : v.cases) {
    cases.push_back({{"id", c.id},
                     {"mean_dice", c.mean_dice()},
                     {"dice", by_region(c.dice)},
                     {"loss", c.loss},
                     {"all_background", by_region(c.trivial)}});
  }
  Json line{
      {"val_loss", v.loss},
      {"dice", by_region(v.dice)},
      {"scores", scores(v.confusion, MacroOver::all_classes)},
      {"scores_without_background", scores(v.confusion, MacroOver::foreground)},
      {"all_background",
       {{"dice", by_region(v.trivial)}, {"scores", scores(v.confusion.all_background(), MacroOver::all_classes)}}},
      {"cases", cases}};
  if (!parts.empty()) { line["val_loss_parts"] = parts; }
  return line;
}

std::vector<EpochRow> epoch_rows(const std::vector<Json>& epochs) {
  std::vector<EpochRow> rows;
  for (const auto& e : epochs) {
    EpochRow row;
    row.epoch = e.value("epoch", std::int64_t{0});
    row.train_loss = number_in(e, "train_loss");
    row.learning_rate = number_in(e, "lr");
    row.validation_loss = number_in(e, "val_loss");
    row.dice.fill(NAN);
    for (std::size_t r = 0; e.contains("dice") && r < kRegions.size(); ++r) {
      row.dice[r] = number_in(e.at("dice"), name(kRegions[r]));
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace vox
