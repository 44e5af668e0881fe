#pragma once

#include <string_view>

namespace vox {

/// The page's own sources, page.html, page.css and the scripts, built into the program (tools/cmake/report.cmake).
struct ReportAssets {
  std::string_view page;  ///< with @TITLE@, @STYLE@, @MODEL@ and @SCRIPT@ in this order of use
  std::string_view style;
  std::string_view script;
};
[[nodiscard]] const ReportAssets& report_assets();

}  // namespace vox
