// Ranges of everything that configures the analyzer.
#pragma once

#include "analyzer_settings.hpp"

namespace fastring {

// std::invalid_argument that names the value and its limits, unless low <= value <= high.
void check_range(const char* name, double value, double low, double high);
// std::invalid_argument unless sample_rate is in 8000..192000 Hz and channels in 1..32.
void check_stream(double sample_rate, int channels);
// std::invalid_argument that names the first setting out of range, its value and its limits.
void check_settings(const AnalyzerSettings& settings);

}  // namespace fastring
