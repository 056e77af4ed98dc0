#pragma once
// A state as bytes that are handed on. What is in it is Terraform's: values nested as deep and numbers as great as its
// providers like, beyond what our reader of JSON takes.

#include <string_view>

namespace slipway::provisioner::terraform {

// One JSON object from the first byte to the last, as far as its brackets tell: false of what is empty or cut off.
bool is_whole_state(std::string_view state);
// Nothing but blanks, as Terraform makes the file when it locks it.
bool is_blank_state(std::string_view state);

}  // namespace slipway::provisioner::terraform
