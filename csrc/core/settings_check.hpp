// The limits of every analyzer setting.
#pragma once

#include "analyzer_settings.hpp"

namespace fastring {

// std::invalid_argument that names the value and the limit.
void check_stream(double sample_rate, int channels);
void check_settings(const AnalyzerSettings& settings);

}  // namespace fastring
