#include <cmath>

#include "data/scoring/convention.h"
#include "data/scoring/hd95.h"

namespace vox {
namespace {

const std::vector<ScoredRegion> kThree{kWholeTumour, kTumourCore, kEnhancing};

bool none(const MaskPair& m) { return m.no_truth() && m.no_prediction(); }
bool one_empty(const MaskPair& m) { return m.no_truth() != m.no_prediction(); }
double as_double(std::int64_t n) { return static_cast<double>(n); }

/// CaPTk's rules, by which the challenge was scored until 2022.
Convention brats2020() {
  Convention c;
  c.name = "brats2020";
  c.about = "the challenge's rules until 2022: whole masks, every case counts";
  c.regions = kThree;
  const std::string overlap = "both empty 1, one empty 0";
  c.scores = {
      {"dice", "Dice", "", Better::more, "compares whole masks", overlap},
      {"hd95", "HD95", "mm", Better::less, "pools the distances of both directions",
       "both empty 0, one empty 373.12866, the grid's diagonal"},
      {"sensitivity", "sensitivity", "", Better::more, "takes TP / (TP + FN)", overlap},
      {"specificity", "specificity", "", Better::more, "takes TN / (TN + FP) over all voxels of the file",
       "no voxel outside the truth 1"},
  };
  c.score = [](ScoredCase& scored, const ScoredRegion& region, std::span<double> out) {
    const RegionScores s = overlap_scores(scored.masks(region).counts);
    out[0] = s.dice;
    out[1] = hd95_mm(scored, region);
    out[2] = s.sensitivity;
    out[3] = s.specificity;
  };
  return c;
}

/// nnU-Net 2.8.1, evaluation/evaluate_predictions.py.
Convention nnunet() {
  Convention c;
  c.name = "nnunet";
  c.about = "nnUNetv2_evaluate_folder of nnU-Net 2.8.1: overlap only, and means over the cases that have a score";
  c.regions = kThree;
  c.mean = MeanOver::scored_cases;
  c.over_regions = OverRegions::of_means;  // its foreground_mean
  const std::string overlap = "both empty: left out; one empty 0";
  const std::string counts = "counted in every case";
  c.scores = {
      {"dice", "Dice", "", Better::more, "compares whole masks", overlap},
      {"iou", "IoU", "", Better::more, "takes TP / (TP + FP + FN)", overlap},
      {"tp", "TP", "voxels", Better::neither, "counts voxels", counts},
      {"fp", "FP", "voxels", Better::less, "counts voxels", counts},
      {"fn", "FN", "voxels", Better::less, "counts voxels", counts},
      {"n_ref", "n_ref", "voxels", Better::neither, "counts voxels of the truth", counts},
      {"n_pred", "n_pred", "voxels", Better::neither, "counts voxels of the prediction", counts},
  };
  c.score = [](ScoredCase& scored, const ScoredRegion& region, std::span<double> out) {
    const BinaryCounts& n = scored.masks(region).counts;
    if (n.tp + n.fp + n.fn > 0) {
      const RegionScores s = overlap_scores(n);
      out[0] = s.dice;
      out[1] = s.iou;
    }
    out[2] = as_double(n.tp);
    out[3] = as_double(n.fp);
    out[4] = as_double(n.fn);
    out[5] = as_double(n.tp + n.fn);
    out[6] = as_double(n.tp + n.fp);
  };
  return c;
}

/// MONAI 1.6.1: DiceMetric(), HausdorffDistanceMetric(percentile=95), SurfaceDiceMetric, with spacing; regions
/// reduced by "mean_batch". A region without a truth in any case has no mean here, where MONAI gives 0.
Convention monai() {
  Convention c;
  c.name = "monai";
  c.about = "the defaults of MONAI 1.6.1 with spacing in mm: cases without the region in the truth do not count";
  c.regions = kThree;
  c.mean = MeanOver::scored_cases;
  c.over_regions = OverRegions::of_cases;  // reduction "mean", its default
  c.scores = {
      {"dice", "Dice", "", Better::more, "compares whole masks",
       "truth empty: left out, whatever was predicted; prediction empty 0"},
      {"hd95", "HD95", "mm", Better::less, "takes the larger one of the two directions", "any empty: left out"},
      {"nsd", "NSD", "", Better::more, "counts surface voxels within the tolerance",
       "both empty: left out; one empty 0"},
  };
  c.score = [](ScoredCase& scored, const ScoredRegion& region, std::span<double> out) {
    const MaskPair& masks = scored.masks(region);
    if (!masks.no_truth()) { out[0] = overlap_scores(masks.counts).dice; }
    if (none(masks)) { return; }
    if (one_empty(masks)) {
      out[2] = 0;
      return;
    }
    out[1] = hd95_larger_mm(scored.surfaces(region));
    out[2] = surface_dice(scored.surfaces(region), scored.tolerance_mm());
  };
  return c;
}

/// segmentation_models_3D on one case at a time: every score of a class is (a + s) / (b + s), and the mean is over all
/// four classes.
Convention seed() {
  Convention c;
  c.name = "seed";
  c.about = "segmentation_models_3D as in the Keras tutorials: means over four classes, background among them";
  c.regions = {{.name = "classes", .classes = 0}};
  const std::string absent = "a class that is in neither 1";
  c.scores = {
      {"iou", "IoU", "", Better::more, "averages four classes, background among them", absent},
      {"dice", "Dice", "", Better::more, "averages four classes, background among them (there: F1)", absent},
      {"precision", "precision", "", Better::more, "averages four classes, background among them",
       "nothing predicted 1"},
      {"sensitivity", "sensitivity", "", Better::more, "averages four classes, background among them (there: recall)",
       "nothing to find 1"},
      {"accuracy", "accuracy", "", Better::more, "takes right voxels / all voxels", ""},
  };
  c.score = [](ScoredCase& scored, const ScoredRegion& /*all*/, std::span<double> out) {
    constexpr double kSmooth = 1e-5;
    const auto share = [](std::int64_t part, std::int64_t whole) {
      return (as_double(part) + kSmooth) / (as_double(whole) + kSmooth);
    };
    std::int64_t right = 0;
    for (std::size_t s = 0; s < 4; ++s) { out[s] = 0; }
    for (int cls = 0; cls < kClasses; ++cls) {
      const BinaryCounts n = scored.confusion().of_class(cls);
      out[0] += share(n.tp, n.tp + n.fp + n.fn) / kClasses;
      out[1] += share(2 * n.tp, 2 * n.tp + n.fp + n.fn) / kClasses;
      out[2] += share(n.tp, n.tp + n.fp) / kClasses;
      out[3] += share(n.tp, n.tp + n.fn) / kClasses;
      right += n.tp;
    }
    out[4] = as_double(right) / as_double(scored.confusion().voxels());
  };
  return c;
}

/// Everything that is known of whole masks, with nothing made up for empty ones.
Convention full() {
  Convention c;
  c.name = "full";
  c.about = "every whole-mask score there is; what an empty mask leaves undefined is left out";
  c.regions = kThree;
  c.mean = MeanOver::scored_cases;
  const std::string left = "any empty: left out";
  const std::string both = "both empty: left out; one empty 0";
  c.scores = {
      {"dice", "Dice", "", Better::more, "compares whole masks", both},
      {"iou", "IoU", "", Better::more, "takes TP / (TP + FP + FN)", both},
      {"sensitivity", "sensitivity", "", Better::more, "takes TP / (TP + FN)", "truth empty: left out"},
      {"precision", "precision", "", Better::more, "takes TP / (TP + FP)", "prediction empty: left out"},
      {"hd95", "HD95", "mm", Better::less, "pools the distances of both directions", left},
      {"hd95_max", "HD95 larger", "mm", Better::less, "takes the larger one of the two directions", left},
      {"hd95_surfel", "HD95 surfel", "mm", Better::less, "weights by area, and takes the larger direction", left},
      {"assd", "ASSD", "mm", Better::less, "averages the distances of both directions", left},
      {"nsd", "NSD", "", Better::more, "counts surface voxels within the tolerance", both},
      {"nsd_surfel", "NSD surfel", "", Better::more, "adds up the area within the tolerance", both},
      {"volume", "volume", "ml", Better::neither, "gives the volume of the truth", ""},
      {"volume_error", "volume error", "ml", Better::neither, "takes predicted - true", ""},
      {"volume_difference", "|volume error|", "ml", Better::less, "takes |predicted - true|", ""},
      {"volume_relative", "volume error", "of truth", Better::neither, "takes (predicted - true) / true",
       "truth empty: left out"},
  };
  c.score = [](ScoredCase& scored, const ScoredRegion& region, std::span<double> out) {
    const MaskPair& masks = scored.masks(region);
    const BinaryCounts& n = masks.counts;
    const RegionScores s = overlap_scores(n);
    if (!none(masks)) {
      out[0] = s.dice;
      out[1] = s.iou;
      out[8] = 0;
      out[9] = 0;
    }
    if (!masks.no_truth()) { out[2] = s.sensitivity; }
    if (!masks.no_prediction()) { out[3] = s.precision; }
    if (!masks.no_truth() && !masks.no_prediction()) {
      const SurfaceDistances& voxels = scored.surfaces(region);
      const SurfelDistances& surfels = scored.surfels(region);
      out[4] = hd95_pooled_mm(voxels);
      out[5] = hd95_larger_mm(voxels);
      out[6] = hd95_surfel_mm(surfels);
      out[7] = average_distance_mm(voxels);
      out[8] = surface_dice(voxels, scored.tolerance_mm());
      out[9] = surface_dice(surfels, scored.tolerance_mm());
    }
    const double error = as_double(n.fp - n.fn) * scored.voxel_ml();
    out[10] = as_double(n.tp + n.fn) * scored.voxel_ml();
    out[11] = error;
    out[12] = std::abs(error);
    if (!masks.no_truth()) { out[13] = as_double(n.fp - n.fn) / as_double(n.tp + n.fn); }
  };
  return c;
}

}  // namespace

std::vector<Convention> whole_mask_conventions() { return {brats2020(), nnunet(), monai(), seed(), full()}; }

}  // namespace vox
