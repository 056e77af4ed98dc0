#include "simulator/wire_format.h"

#include <algorithm>
#include <array>
#include <utility>

#include "simulator/status.h"

namespace slipway::simulator {

namespace {

constexpr std::array<std::pair<std::string_view, std::int64_t>, 8> kEnumNumbers{{{"STATE_UNSPECIFIED", 0},
                                                                                 {"STATE_STARTING", 1},
                                                                                 {"STATE_RUNNING", 2},
                                                                                 {"STATE_STOPPING", 3},
                                                                                 {"STATE_STOPPED", 4},
                                                                                 {"RECLAIM_POLICY_UNSPECIFIED", 0},
                                                                                 {"DELETE", 1},
                                                                                 {"RETAIN", 2}}};

// ---- field masks: a list of paths, each of members joined by '/' or '.', each of which may have a list in brackets

class MaskReader {
 public:
  explicit MaskReader(std::string_view text) : text_(text) {}

  json::Value select(const json::Value& value) {
    json::Value selected = read_list(value);
    if (at_ != text_.size()) fail();
    return selected;
  }

 private:
  [[noreturn]] static void fail() { throw invalid_argument("fields", "Invalid field selection"); }

  // A value of which nothing is wanted yet keeps its kind.
  static void merge(json::Value& into, json::Value from) {
    if (into.is_object() && from.is_object()) {
      for (auto& [key, member] : from.get_object()) merge(into.get_object()[key], std::move(member));
    } else if (into.is_array() && from.is_array() && into.get_array().size() == from.get_array().size()) {
      for (std::size_t i = 0; i < into.get_array().size(); ++i)
        merge(into.get_array()[i], std::move(from.get_array()[i]));
    } else {
      into = std::move(from);
    }
  }

  json::Value read_list(const json::Value& value) {
    json::Value selected;
    while (true) {
      merge(selected, read_path(value));
      if (at_ >= text_.size() || text_[at_] != ',') return selected;
      ++at_;
    }
  }

  json::Value read_path(const json::Value& value) {
    if (value.is_array()) {
      const std::size_t start = at_;
      json::Array selected;
      for (const auto& element : value.get_array()) {
        at_ = start;
        selected.push_back(read_path(element));
      }
      if (value.get_array().empty()) read_path(json::Value(nullptr));
      return selected;
    }
    const std::size_t end = std::min(text_.find_first_of(",/.()", at_), text_.size());
    const std::string_view member = text_.substr(at_, end - at_);
    if (member.empty()) fail();
    at_ = end;
    if (member == "*") return read_rest_of_all(value);
    const json::Value* found = value.is_object() ? value.get_object().if_contains(member) : nullptr;
    json::Value inner = read_rest(found ? *found : json::Value(nullptr));
    json::Object selected;
    if (found) selected[member] = std::move(inner);
    return selected;
  }

  json::Value read_rest(const json::Value& value) {
    if (at_ < text_.size() && (text_[at_] == '/' || text_[at_] == '.')) {
      ++at_;
      return read_path(value);
    }
    if (at_ < text_.size() && text_[at_] == '(') {
      ++at_;
      const std::size_t start = at_;
      json::Value selected;
      if (value.is_array()) {
        json::Array elements;
        for (const auto& element : value.get_array()) {
          at_ = start;
          elements.push_back(read_list(element));
        }
        if (value.get_array().empty()) read_list(json::Value(nullptr));
        selected = std::move(elements);
      } else {
        selected = read_list(value);
      }
      if (at_ >= text_.size() || text_[at_] != ')') fail();
      ++at_;
      return selected;
    }
    return value;
  }

  // "items/*(name)": the same for each member.
  json::Value read_rest_of_all(const json::Value& value) {
    if (!value.is_object() || value.get_object().empty()) {
      read_rest(json::Value(nullptr));
      return value.is_object() ? value : json::Value(json::Object{});
    }
    const std::size_t start = at_;
    json::Object selected;
    for (const auto& [key, member] : value.get_object()) {
      at_ = start;
      selected[key] = read_rest(member);
    }
    return selected;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// ---- filters

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" ()");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" ()") - first + 1);
}

std::string find_text(const json::Value& value, std::string_view path) {
  const json::Value* found = &value;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    if (!found->is_object()) return "";
    const json::Object& members = found->get_object();
    const json::Value* member = members.if_contains(path.substr(0, dot));
    found = member ? member : members.if_contains(json::to_camel(path.substr(0, dot)));
    if (!found) return "";
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return found->is_string() ? std::string(found->get_string()) : json::print_value(*found);
}

bool passes_comparison(const json::Value& value, std::string_view text) {
  for (const std::string_view sign : {"!=", "=", " eq ", " ne ", ":"}) {
    const std::size_t at = text.find(sign);
    if (at == std::string_view::npos) continue;
    std::string_view wanted = trim(text.substr(at + sign.size()));
    if (wanted.size() >= 2 && (wanted.front() == '"' || wanted.front() == '\'') && wanted.back() == wanted.front())
      wanted = wanted.substr(1, wanted.size() - 2);
    const bool equal = find_text(value, trim(text.substr(0, at))) == wanted;
    return equal == (sign != "!=" && sign != " ne ");
  }
  throw invalid_argument("filter", "not understood: " + std::string(text));
}

}  // namespace

void number_enums(json::Value& value) {
  if (value.is_array()) {
    for (auto& element : value.get_array()) number_enums(element);
  } else if (value.is_object()) {
    for (auto& [key, member] : value.get_object()) {
      if ((key == "state" || key == "reclaimPolicy") && member.is_string()) {
        const auto known = std::ranges::find(kEnumNumbers, std::string_view(member.get_string()),
                                             &std::pair<std::string_view, std::int64_t>::first);
        if (known != kEnumNumbers.end()) member = known->second;
      } else {
        number_enums(member);
      }
    }
  }
}

void obscure_states(json::Value& value) {
  if (value.is_array()) {
    for (auto& element : value.get_array()) obscure_states(element);
  } else if (value.is_object()) {
    for (auto& [key, member] : value.get_object()) {
      if (key == "state" && member.is_string()) {
        member = "STATE_HIBERNATING";
      } else {
        obscure_states(member);
      }
    }
  }
}

json::Value select_fields(const json::Value& value, std::string_view mask) {
  if (mask == "*") return value;
  return MaskReader(mask).select(value);
}

bool passes_filter(const json::Value& value, std::string_view filter) {
  for (std::size_t at = 0; at <= filter.size();) {
    const std::size_t end = std::min(filter.find(" AND ", at), filter.size());
    const std::string_view part = trim(filter.substr(at, end - at));
    if (!part.empty() && !passes_comparison(value, part)) return false;
    at = end + 5;
  }
  return true;
}

}  // namespace slipway::simulator
