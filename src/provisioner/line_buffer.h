#pragma once
// Lines out of what comes in pieces.

#include <optional>
#include <string>
#include <string_view>

namespace slipway::provisioner {

class LineBuffer {
 public:
  void append(std::string_view piece) {
    if (begin_ > kKeptMax || begin_ == data_.size()) {
      data_.erase(0, begin_);
      searched_ -= begin_;
      begin_ = 0;
    }
    data_ += piece;
  }
  // The next whole line, without its break; valid until `append`.
  std::optional<std::string_view> next() {
    const auto end = data_.find('\n', searched_);
    if (end == data_.npos) {
      searched_ = data_.size();
      return std::nullopt;
    }
    const auto line = std::string_view(data_).substr(begin_, end - begin_);
    begin_ = searched_ = end + 1;
    return line;
  }
  bool has_line() const { return data_.find('\n', searched_) != data_.npos; }
  // Of the line that has not ended yet.
  std::size_t partial_size() const { return data_.size() - begin_; }
  std::string take_partial() {
    std::string partial = data_.substr(begin_);
    begin_ = searched_ = data_.size();
    return partial;
  }

 private:
  static constexpr std::size_t kKeptMax = 1 << 20;  // of what was read already
  std::string data_;
  std::size_t begin_ = 0;     // of the next line
  std::size_t searched_ = 0;  // there is no line break before
};

}  // namespace slipway::provisioner
