// CapaCloud: machines of many owners around one pool of capacity, at dusk.
//
// SPDX-License-Identifier: Apache-2.0
//
// Every pixel depends on the scene and its own position only (no radiosity, no jitter, no focal blur), so that
// tiles rendered on different machines fit together without a seam.
#version 3.7;

#include "functions.inc"

global_settings {
  assumed_gamma 1.0
  max_trace_level 9
  adc_bailout 1/64
}

#default { finish { ambient 0 diffuse 0.7 } }

// ---------------------------------------------------------------- palette (linear light)

#declare Night   = srgb <0.035, 0.055, 0.125>;
#declare Indigo  = srgb <0.125, 0.135, 0.330>;
#declare Violet  = srgb <0.420, 0.255, 0.500>;
#declare Rose    = srgb <0.900, 0.450, 0.440>;
#declare Apricot = srgb <1.000, 0.720, 0.430>;
#declare Cyan_   = srgb <0.250, 0.880, 1.000>;
#declare Mint    = srgb <0.350, 1.000, 0.740>;
#declare Amber   = srgb <1.000, 0.650, 0.220>;

// ---------------------------------------------------------------- camera

camera {
  perspective
  location <0.0, 2.35, -15.5>
  right x * image_width / image_height
  up y
  look_at <0.0, 2.75, 0.0>
  angle 48
}

// ---------------------------------------------------------------- sky

sky_sphere {
  pigment {
    gradient y
    color_map {
      [0.000 Apricot * 1.15]
      [0.035 Apricot * 0.95]
      [0.090 Rose * 0.80]
      [0.190 Violet * 0.75]
      [0.360 Indigo * 0.90]
      [0.750 Night]
      [1.000 Night * 0.6]
    }
  }
  // A few long bands of cloud near the horizon, lit from below.
  pigment {
    bozo
    turbulence 0.55
    octaves 5
    omega 0.52
    color_map {
      [0.00 Apricot transmit 1]
      [0.52 Apricot transmit 1]
      [0.78 Rose * 1.1 transmit 0.62]
      [1.00 Apricot * 1.1 transmit 0.40]
    }
    scale <0.8, 0.030, 0.8>
    rotate 2.5 * z
    translate <0.3, 0.02, 0>
  }
  // The place where the sun went down.
  pigment {
    function { pow(max(0, 0.075 * y + 0.9972 * z), 70) }
    color_map {
      [0.00 srgbt <1.0, 0.78, 0.48, 1.00>]
      [0.55 srgbt <1.0, 0.80, 0.50, 0.72>]
      [0.90 srgbt <1.0, 0.88, 0.64, 0.35>]
      [1.00 srgbt <1.0, 0.94, 0.78, 0.15>]
    }
  }
}

// Stars are things far away, each smaller than a pixel's neighbourhood, and only where the sky is dark.
#declare Star = seed(77);
#declare I = 0;
#while (I < 420)
  #declare High = 12 + 44 * pow(rand(Star), 0.8);
  sphere {
    0, 0.13 + 0.22 * pow(rand(Star), 4)
    texture { pigment { color srgb <0.86, 0.92, 1> } finish { emission 0.25 + 0.75 * rand(Star) * min(1, (High - 8) / 24) diffuse 0 } }
    no_shadow
    translate 240 * z
    rotate -High * x
    rotate (rand(Star) - 0.5) * 110 * y
  }
  #declare I = I + 1;
#end

// The last of the sun, behind everything: it rims the towers and draws the path on the water.
light_source {
  <-40, 14, 120>
  color Apricot * 1.3
  shadowless
}

// The sky's own soft light, from above and in front.
light_source {
  <-26, 40, -34>
  color srgb <0.55, 0.66, 0.95> * 0.75
  area_light <16, 0, 0>, <0, 0, 16>, 5, 5
  adaptive 1
}

light_source { <30, 18, -20> color srgb <0.70, 0.50, 0.75> * 0.28 shadowless }

// ---------------------------------------------------------------- water and land

plane {
  y, 0
  pigment { color srgb <0.020, 0.030, 0.055> }
  normal {
    average
    normal_map {
      [1.0 bumps 0.045 scale <3.4, 1, 0.9>]
      [0.5 bumps 0.030 scale <1.1, 1, 0.30> rotate 9 * y]
    }
  }
  finish { diffuse 0.25 specular 0.5 roughness 0.004 reflection { 0.06, 0.92 fresnel on } conserve_energy }
  interior { ior 1.33 }
}

// Three ranges of hills, each paler and nearer to the colour of the sky.
#macro Range(Distance, Height, Seed, Tint)
  #local F_range = function { f_noise3d(x * 0.055 + Seed, Seed, 0) * 0.75 + f_noise3d(x * 0.19 + Seed, Seed * 2, 3) * 0.25 + f_noise3d(x * 0.7, Seed, 9) * 0.05 }
  #local Steps = 260;
  #local Half = Distance * 0.75;
  polygon {
    Steps + 4,
    <-Half, -1>,
    #local I = 0;
    #while (I <= Steps)
      #local PX = -Half + 2 * Half * I / Steps;
      <PX, Height * F_range(PX, 0, 0)>,
      #local I = I + 1;
    #end
    <Half, -1>, <-Half, -1>
    translate Distance * z
    texture { pigment { color Tint } finish { emission 1 diffuse 0 } }
    no_shadow
  }
#end

Range(105, 15.0, 3.1, srgb <0.610, 0.370, 0.480>)
Range(84,  10.5, 7.7, srgb <0.370, 0.235, 0.400>)
Range(64,  6.2, 12.3, srgb <0.180, 0.135, 0.285>)

// ---------------------------------------------------------------- machines

#declare Shell = texture {
  pigment { color srgb <0.300, 0.320, 0.400> }
  finish { diffuse 0.55 specular 0.55 roughness 0.03 metallic 0.4 reflection { 0.03, 0.35 fresnel on } conserve_energy }
}
#declare Trim = texture {
  pigment { color srgb <0.62, 0.64, 0.70> }
  finish { diffuse 0.35 specular 0.9 roughness 0.012 metallic reflection { 0.35 metallic } conserve_energy }
}
#declare Gold = texture {
  pigment { color srgb <1.0, 0.74, 0.36> }
  finish { emission 0.10 diffuse 0.45 specular 1.2 roughness 0.015 metallic reflection { 0.30 metallic } conserve_energy }
}
#declare Front = texture {
  pigment { color srgb <0.030, 0.036, 0.052> }
  finish { diffuse 0.4 specular 0.6 roughness 0.01 reflection { 0.04, 0.5 fresnel on } conserve_energy }
}

#macro Lamp(Colour, Power) texture { pigment { color Colour } finish { emission Power diffuse 0 } } #end

// A box with rounded edges, its base at y = 0, its front at -z.
#macro Rounded(W, H, D, R)
  union {
    box { <-W/2 + R, 0, -D/2>, <W/2 - R, H - R, D/2> }
    box { <-W/2, 0, -D/2 + R>, <W/2, H - R, D/2 - R> }
    box { <-W/2 + R, 0, -D/2 + R>, <W/2 - R, H, D/2 - R> }
    #local SX = -1;
    #while (SX <= 1)
      #local SZ = -1;
      #while (SZ <= 1)
        cylinder { <SX * (W/2 - R), 0, SZ * (D/2 - R)>, <SX * (W/2 - R), H - R, SZ * (D/2 - R)>, R }
        sphere { <SX * (W/2 - R), H - R, SZ * (D/2 - R)>, R }
        #local SZ = SZ + 2;
      #end
      cylinder { <SX * (W/2 - R), H - R, -D/2 + R>, <SX * (W/2 - R), H - R, D/2 - R>, R }
      cylinder { <-W/2 + R, H - R, SX * (D/2 - R)>, <W/2 - R, H - R, SX * (D/2 - R)>, R }
      #local SX = SX + 2;
    #end
  }
#end

// One machine. Its front holds a column of units; each shows how busy it is with a bar of light.
#macro Machine(W, H, D, Seed, Hue)
  #local Rand = seed(Seed);
  #local Unit = 0.155;
  #local Rows = floor((H - 0.36) / Unit);
  union {
    object { Rounded(W, H, D, 0.045) texture { Shell } }
    box { <-W/2 + 0.07, 0.10, -D/2 - 0.004>, <W/2 - 0.07, H - 0.14, -D/2 + 0.02> texture { Front } }
    box { <-W/2 + 0.07, H - 0.125, -D/2 - 0.006>, <W/2 - 0.07, H - 0.113, -D/2 + 0.02> Lamp(Hue, 1.6) }
    #local Row = 0;
    #while (Row < Rows)
      #local Y = 0.17 + Row * Unit;
      #local Busy = 0.12 + 0.88 * rand(Rand);
      #local Wide = W - 0.30;
      #local Pick = rand(Rand);
      #if (Pick < 0.09) #local Ink = Amber; #else #if (Pick < 0.30) #local Ink = Mint; #else #local Ink = Hue; #end #end
      box { <-W/2 + 0.10, Y - 0.058, -D/2 - 0.010>, <W/2 - 0.10, Y + 0.058, -D/2 + 0.01> texture { Shell } }
      box { <-W/2 + 0.15, Y - 0.013, -D/2 - 0.016>, <-W/2 + 0.15 + Wide * Busy, Y + 0.013, -D/2> Lamp(Ink, 0.75 + 1.1 * rand(Rand)) }
      sphere { <W/2 - 0.13, Y + 0.035, -D/2 - 0.010>, 0.011 Lamp(Mint, 1.8) }
      #local Row = Row + 1;
    #end
    box { <-W/2 - 0.003, 0.02, -D/2 + 0.09>, <W/2 + 0.003, 0.035, D/2 - 0.09> texture { Trim } }
    box { <-W/2 - 0.003, H - 0.22, -D/2 + 0.09>, <W/2 + 0.003, H - 0.205, D/2 - 0.09> texture { Trim } }
  }
#end

// Rows of machines on arcs around the pool, higher towards the back and the sides.
#declare Place = seed(20261);
#macro Arc(Radius, Count, Near, Far, Low, High)
  #local Mirror = -1;
  #while (Mirror <= 1)
    #local I = 0;
    #while (I < Count)
      #local A = Mirror * (Near + (Far - Near) * I / (Count - 1) + (rand(Place) - 0.5) * 2.4);
      #local H = Low + (High - Low) * (0.40 * rand(Place) + 0.60 * pow(I / (Count - 1), 1.2));
      #if (rand(Place) < 0.62) #local Hue = Cyan_; #else #local Hue = srgb <0.52, 0.58, 1.0>; #end
      object {
        Machine(0.96 + 0.26 * rand(Place), H, 1.0, 1000 + I * 17 + Radius * 131 + Mirror * 5, Hue)
        rotate A * (0.80 + 0.1 * rand(Place)) * y
        translate <Radius * sin(radians(A)), 0, Radius * cos(radians(A))>
      }
      #local I = I + 1;
    #end
    #local Mirror = Mirror + 2;
  #end
#end

Arc(6.6, 5, 30, 92, 0.9, 2.3)
Arc(9.0, 6, 21, 84, 1.5, 4.0)
Arc(12.0, 7, 15, 72, 2.2, 6.0)

// ---------------------------------------------------------------- the pool

#declare Clear_glass = texture {
  pigment { color rgbt <0.985, 0.992, 1, 0.985> }
  finish { diffuse 0 specular 0.9 roughness 0.0012 reflection { 0.02, 0.95 fresnel on } conserve_energy }
}
#declare Glass_inside = interior { ior 1.46 fade_distance 6 fade_power 1001 fade_color srgb <0.72, 0.90, 1.0> }

#declare Heart = <0, 2.85, 0>;
#declare Heart_radius = 1.62;

// The great sphere and, at its middle, a lattice of small lights: the capacity itself.
sphere { Heart, Heart_radius texture { Clear_glass } interior { Glass_inside } }
#declare Spiral = 0;
#while (Spiral < 190)
  #declare T = (Spiral + 0.5) / 190;
  #declare Polar = acos(1 - 2 * T);
  #declare Azimuth = pi * (1 + sqrt(5)) * Spiral;
  sphere {
    Heart + 0.66 * <sin(Polar) * cos(Azimuth), cos(Polar), sin(Polar) * sin(Azimuth)>, 0.021
    #switch (mod(Spiral, 8))
      #case (0) Lamp(Amber, 1.9) #break
      #case (3) Lamp(Mint, 1.5) #break
      #else Lamp(Cyan_, 1.5)
    #end
  }
  #declare Spiral = Spiral + 1;
#end
sphere { Heart, 0.20 Lamp(srgb <1.0, 0.88, 0.66>, 1.7) }
// Its glow, a disc that faces the camera: no medium to march through.
disc {
  0, z, 1.0
  pigment {
    spherical
    color_map {
      [0.00 srgbt <1.0, 0.70, 0.38, 1.00>]
      [0.45 srgbt <1.0, 0.72, 0.42, 0.88>]
      [0.80 srgbt <1.0, 0.84, 0.58, 0.35>]
      [1.00 srgbt <1.0, 0.92, 0.72, 0.00>]
    }
  }
  finish { emission 1.3 diffuse 0 }
  no_shadow
  translate Heart
}
light_source { Heart color srgb <0.80, 0.86, 1.0> * 1.5 fade_distance 3 fade_power 2 shadowless }

// Two rings around it, of brushed metal, with a bead of glass for every owner.
#macro Ring(R, Thick, Tilt, Beads, Phase)
  union {
    torus { R, Thick texture { Trim } }
    #local I = 0;
    #while (I < Beads)
      sphere {
        <R * cos(2 * pi * (I + Phase) / Beads), 0, R * sin(2 * pi * (I + Phase) / Beads)>, 0.135
        #if (mod(I, 3) = 0)
          texture { Gold }
        #else
          texture { Clear_glass } interior { Glass_inside }
        #end
      }
      #local I = I + 1;
    #end
    rotate Tilt
    translate Heart
  }
#end

Ring(2.25, 0.022, <14, 0, 17>, 12, 0.2)
Ring(2.72, 0.016, <-19, 0, -24>, 15, 0.6)

// Drops of glass that rest on the water in front.
#macro Drop(P, R)
  sphere { <P.x, R * 0.92, P.z>, R texture { Clear_glass } interior { Glass_inside } }
#end
Drop(<-3.4, 0, -5.2>, 0.62)
Drop(<-2.1, 0, -7.1>, 0.30)
Drop(<3.0, 0, -6.2>, 0.46)
Drop(<4.3, 0, -4.2>, 0.74)
Drop(<1.5, 0, -8.0>, 0.22)
Drop(<-4.9, 0, -7.2>, 0.24)
