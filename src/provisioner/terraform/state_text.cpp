#include "provisioner/terraform/state_text.h"

#include "base/json_scan.h"

namespace slipway::provisioner::terraform {

bool is_blank_state(std::string_view state) { return state.find_first_not_of(json::kBlanks) == state.npos; }

bool is_whole_state(std::string_view state) {
  const auto begin = state.find_first_not_of(json::kBlanks);
  if (begin == state.npos || state[begin] != '{') return false;
  const auto end = json::end_of_value(state, begin);
  return end != state.npos && is_blank_state(state.substr(end));
}

}  // namespace slipway::provisioner::terraform
