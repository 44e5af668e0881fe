# Writes which commit is being built, "-dirty" with changes; only when that has changed, so that nothing is built anew.
#   cmake -DSOURCE=FOLDER -DHEADER=FILE -P commit.cmake
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=10 --exclude=*
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT "#define VOX_COMMIT \"${commit}\"\n")
