# SPDX-License-Identifier: Apache-2.0
# The optional components: fewstep::fewstep plus what the headers of one folder include.
#   fewstep::io      include/fewstep/io       nlohmann_json
#   fewstep::image   include/fewstep/image    libjpeg, libpng
# A component exists when its packages are found. Used by the build and by the installed package.

find_package(nlohmann_json 3.10 QUIET)
if(TARGET nlohmann_json::nlohmann_json AND NOT TARGET fewstep::io)
  add_library(fewstep::io INTERFACE IMPORTED GLOBAL)
  target_link_libraries(fewstep::io INTERFACE fewstep::fewstep nlohmann_json::nlohmann_json)
endif()

find_package(JPEG QUIET)
find_package(PNG QUIET)
if(TARGET JPEG::JPEG AND TARGET PNG::PNG AND NOT TARGET fewstep::image)
  add_library(fewstep::image INTERFACE IMPORTED GLOBAL)
  target_link_libraries(fewstep::image INTERFACE fewstep::fewstep JPEG::JPEG PNG::PNG)
endif()
