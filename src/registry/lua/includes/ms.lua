-- A time as it is stored: whole ms. Intervals may have fractions.
local function ms(time)
  return string.format('%.0f', time)
end
