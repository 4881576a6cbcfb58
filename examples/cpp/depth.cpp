// Depth of a picture from a depthwired, in C++:  depth tcp://127.0.0.1:5555 photo.jpg out.pfm
//
// Writes a PFM, the float image format that OpenCV (cv::imread with IMREAD_UNCHANGED) and GIMP read, in metres.
#include <fstream>
#include <iostream>
#include <iterator>

#include "depthwire.hpp"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: depth ENDPOINT IMAGE OUT.pfm\n";
    return 2;
  }
  try {
    std::ifstream file(argv[2], std::ios::binary);
    if (!file) throw std::runtime_error(std::string(argv[2]) + " cannot be read");
    depthwire::Request request{.op = "metric_depth"};
    request.image.assign(std::istreambuf_iterator<char>(file), {});

    depthwire::Client client(argv[1]);
    const depthwire::Reply reply = client.call(request);

    const depthwire::Array& depth = reply.depth;
    std::cout << depth.columns << " x " << depth.rows << ", " << reply.min << " to " << reply.max << " m, " << reply.model
              << ", " << reply.timing.at("total_ms") << " ms in the daemon\n";
    std::ofstream out(argv[3], std::ios::binary);
    out << "Pf\n" << depth.columns << ' ' << depth.rows << "\n-1.0\n";  // -1: little-endian; rows from the bottom up
    for (std::size_t row = depth.rows; row-- > 0;)
      out.write(reinterpret_cast<const char*>(depth.data() + row * depth.columns),
                static_cast<std::streamsize>(depth.columns * sizeof(float)));
    return out.flush() ? 0 : 1;
  } catch (const depthwire::Error& error) {
    std::cerr << error.code << ": " << error.what() << '\n';
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
  }
  return 1;
}
