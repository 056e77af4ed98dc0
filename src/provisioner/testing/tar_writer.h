#pragma once
// Tar files byte by byte (POSIX ustar), also such as no program would write.

#include <cstdio>
#include <string>

namespace slipway::provisioner {

class TarWriter {
 public:
  // `type`: '0' file, '1' hard link, '2' symbolic link, '3' character device, '5' folder, '6' FIFO.
  TarWriter& add(const std::string& name, char type = '0', const std::string& content = "",
                 const std::string& target = "", unsigned mode = 0644) {
    std::string header(512, '\0');
    put(header, 0, name.substr(0, 100));
    put_octal(header, 100, 8, mode);
    put_octal(header, 108, 8, 0);
    put_octal(header, 116, 8, 0);
    put_octal(header, 124, 12, content.size());
    put_octal(header, 136, 12, 0);
    put(header, 148, "        ");
    header[156] = type;
    put(header, 157, target.substr(0, 100));
    put(header, 257,
        std::string("ustar\0"
                    "00",
                    8));
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put_octal(header, 148, 7, sum);
    bytes_ += header + content;
    bytes_.append((512 - content.size() % 512) % 512, '\0');
    return *this;
  }
  std::string bytes() const { return bytes_ + std::string(1024, '\0'); }
  // Without the end mark.
  const std::string& unfinished() const { return bytes_; }

 private:
  static void put(std::string& header, std::size_t at, const std::string& text) {
    header.replace(at, text.size(), text);
  }
  static void put_octal(std::string& header, std::size_t at, int width, std::size_t value) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*zo", width - 1, value);
    put(header, at, text);
  }

  std::string bytes_;
};

}  // namespace slipway::provisioner
