//! Pictures of series as paths of SVG. Places are whole numbers: nothing is computed in floats, not even for the eye.

use crate::metric::{Exact, exact};

/// The size of every picture's own coordinates; the page stretches it.
pub(in crate::web) const WIDTH: i64 = 6000;
pub(in crate::web) const HEIGHT: i64 = 2000;

/// One point: no value where nothing is known, and open where it may still change.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Spot {
    pub(in crate::web) value: Option<Exact>,
    pub(in crate::web) is_open: bool,
}

/// What the lowest and the highest place of a picture stand for.
#[derive(Debug, Clone)]
pub(in crate::web) struct Scale {
    pub(in crate::web) low: Exact,
    pub(in crate::web) high: Exact,
}

impl Scale {
    /// That just holds all values.
    pub(in crate::web) fn of<'a>(lines: impl Iterator<Item = &'a [Spot]>) -> Option<Self> {
        let (mut low, mut high): (Option<Exact>, Option<Exact>) = (None, None);
        for value in lines.flatten().filter_map(|spot| spot.value.as_ref()) {
            low = Some(low.map_or_else(|| value.clone(), |low| if *value < low { value.clone() } else { low }));
            high = Some(high.map_or_else(|| value.clone(), |high| if *value > high { value.clone() } else { high }));
        }
        let (low, mut high) = (low?, high?);
        if low == high {
            high = &high + exact::from_int(1);
        }
        Some(Self { low, high })
    }

    /// The same with ends and a middle that read well, and with zero where heights are compared by their length. Of what is
    /// counted whole, all three are whole.
    pub(in crate::web) fn labelled(self, from_zero: bool, is_whole: bool) -> Self {
        let zero = || exact::from_int(0);
        if from_zero && self.low.is_negative() {
            let most = if self.high > -&self.low { self.high.clone() } else { -&self.low };
            let most = step(&most, is_whole);
            return Self { low: -&most, high: if self.high.is_positive() { most } else { zero() } };
        }
        if from_zero || (!self.low.is_negative() && &self.low + &self.low < self.high) {
            // Nothing is lost by showing it from zero.
            let half = step(&(&self.high / exact::from_int(2)), is_whole);
            return Self { low: zero(), high: &half + &half };
        }
        let mut wanted = (&self.high - &self.low) / exact::from_int(2);
        loop {
            let half = step(&wanted, is_whole);
            let low = (&self.low / &half).floor() * &half;
            let high = &low + &half + &half;
            if high >= self.high {
                return Self { low, high };
            }
            wanted = &half * exact::fraction(101, 100).unwrap_or_else(|| exact::from_int(2));
        }
    }

    /// What stands in the middle.
    pub(in crate::web) fn middle(&self) -> Exact {
        (&self.low + &self.high) / exact::from_int(2)
    }

    /// How far down a value is drawn.
    fn place(&self, value: &Exact) -> i64 {
        let share = (value - &self.low) / (&self.high - &self.low);
        HEIGHT - exact::round(&(share * exact::from_int(HEIGHT))).unwrap_or(0).clamp(0, HEIGHT)
    }
}

/// The next number that reads well: 1, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten.
fn step(value: &Exact, is_whole: bool) -> Exact {
    for power in 0..24 {
        for tenths in [10, 15, 20, 25, 30, 40, 50, 60, 80] {
            let step = exact::from_int(tenths) * exact::power_of_ten(power) / exact::power_of_ten(5);
            if step >= *value && (!is_whole || step.is_integer()) {
                return step;
            }
        }
    }
    value.clone()
}

/// Paths of one series.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Paths {
    /// What is settled.
    pub(in crate::web) line: String,
    /// What may still change, from the last settled point on.
    pub(in crate::web) open: String,
    /// The ground below the line.
    pub(in crate::web) area: String,
}

/// A line. Where a value is missing it ends, and begins anew behind the gap.
pub(in crate::web) fn line(spots: &[Spot], scale: &Scale) -> Paths {
    let across = |at: usize| across(at, spots.len());
    let base = scale.place(&exact::from_int(0));
    let mut paths = Paths::default();
    let mut begun: Option<i64> = None;
    let mut before: Option<(i64, i64, bool)> = None;
    for (at, spot) in spots.iter().enumerate() {
        let Some(value) = &spot.value else {
            close(&mut paths.area, &mut begun, before, base);
            before = None;
            continue;
        };
        let (x, y) = (across(at), scale.place(value));
        match before {
            None => {
                begun = Some(x);
                paths.area.push_str(&format!("M{x} {base}L{x} {y}"));
                // A point by itself is a dot: a line of no length with round ends.
                let path = if spot.is_open { &mut paths.open } else { &mut paths.line };
                path.push_str(&format!("M{x} {y}h0"));
            }
            Some((from_x, from_y, was_open)) => {
                paths.area.push_str(&format!("L{x} {y}"));
                if spot.is_open {
                    let start = if was_open { String::new() } else { format!("M{from_x} {from_y}") };
                    paths.open.push_str(&format!("{start}L{x} {y}"));
                } else {
                    let start = if was_open { format!("M{from_x} {from_y}") } else { String::new() };
                    paths.line.push_str(&format!("{start}L{x} {y}"));
                }
            }
        }
        before = Some((x, y, spot.is_open));
    }
    close(&mut paths.area, &mut begun, before, base);
    paths
}

fn close(area: &mut String, begun: &mut Option<i64>, last: Option<(i64, i64, bool)>, base: i64) {
    if let (Some(_), Some((x, _, _))) = (begun.take(), last) {
        area.push_str(&format!("L{x} {base}Z"));
    }
}

fn across(at: usize, of: usize) -> i64 {
    let (at, of) = (i64::try_from(at).unwrap_or(0), i64::try_from(of).unwrap_or(1));
    if of < 2 { WIDTH / 2 } else { at * WIDTH / (of - 1) }
}

/// Where a point stands from left to right: on its place of a line, or in the middle of its bar.
fn stands(at: usize, of: usize, is_bar: bool) -> i64 {
    if !is_bar {
        return across(at, of);
    }
    let (at, of) = (i64::try_from(at).unwrap_or(0), i64::try_from(of.max(1)).unwrap_or(1));
    (2 * at + 1) * WIDTH / (2 * of)
}

/// A dot on a value: a line of no length with round ends.
pub(in crate::web) fn dot(at: usize, of: usize, value: &Exact, scale: &Scale, is_bar: bool) -> String {
    format!("M{} {}h0", stands(at, of, is_bar), scale.place(value))
}

/// A line from top to bottom.
pub(in crate::web) fn post(at: usize, of: usize, is_bar: bool) -> String {
    format!("M{} 0V{HEIGHT}", stands(at, of, is_bar))
}

/// Bars from zero. None where nothing is known; a hair where it is zero.
pub(in crate::web) fn bars(spots: &[Spot], scale: &Scale) -> Paths {
    let of = i64::try_from(spots.len().max(1)).unwrap_or(1);
    let base = scale.place(&exact::from_int(0));
    let mut paths = Paths::default();
    for (at, spot) in (0_i64..).zip(spots) {
        let Some(value) = &spot.value else { continue };
        let (left, right) = (at * WIDTH / of, (at + 1) * WIDTH / of);
        let gap = (right - left) / 6;
        let mut top = scale.place(value);
        if top == base {
            top -= 8;
        }
        let bar = format!("M{} {base}V{top}H{}V{base}Z", left + gap, right - gap);
        if spot.is_open { paths.open.push_str(&bar) } else { paths.line.push_str(&bar) }
    }
    paths
}

/// Not more than so many points: neighbours become their mean, and a gap stays one.
pub(in crate::web) fn thinned(spots: &[Spot], most: usize) -> Vec<Spot> {
    let chunk = spots.len().div_ceil(most.max(1)).max(1);
    if chunk == 1 {
        return spots.to_vec();
    }
    let mean = |few: &[Spot]| {
        let count = i64::try_from(few.len()).unwrap_or(1);
        let sum = few.iter().try_fold(exact::from_int(0), |sum, spot| Some(&sum + spot.value.as_ref()?));
        Spot { value: sum.map(|sum| sum / exact::from_int(count)), is_open: few.iter().any(|spot| spot.is_open) }
    };
    spots.chunks(chunk).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spots(values: &[Option<i64>]) -> Vec<Spot> {
        values.iter().map(|value| Spot { value: value.map(exact::from_int), is_open: false }).collect()
    }

    fn scale(spots: &[Spot], from_zero: bool) -> Scale {
        Scale::of([spots].into_iter()).unwrap().labelled(from_zero, true)
    }

    #[test]
    fn a_gap_is_never_joined_and_never_zero() {
        let spots = spots(&[Some(0), Some(10), None, Some(10)]);
        let paths = line(&spots, &scale(&spots, true));
        assert_eq!(paths.line, "M0 2000h0L2000 0M6000 0h0");
        assert_eq!(paths.area, "M0 2000L0 2000L2000 0L2000 2000ZM6000 2000L6000 0L6000 2000Z");
        assert_eq!(bars(&spots, &scale(&spots, true)).line.matches('M').count(), 3);
    }

    #[test]
    fn what_may_change_is_a_path_of_its_own() {
        let mut spots = spots(&[Some(0), Some(5), Some(10)]);
        spots[2].is_open = true;
        let paths = line(&spots, &scale(&spots, true));
        assert_eq!((paths.line.as_str(), paths.open.as_str()), ("M0 2000h0L3000 1000", "M3000 1000L6000 0"));
    }

    #[test]
    fn scales_read_well_and_hold_what_is_below_zero() {
        let ends = |values: &[i64], from_zero: bool| {
            let values: Vec<Option<i64>> = values.iter().copied().map(Some).collect();
            let scale = scale(&spots(&values), from_zero);
            [&scale.low, &scale.middle(), &scale.high].map(|end| exact::round(end).unwrap())
        };
        assert_eq!(ends(&[11_977], true), [0, 6_000, 12_000]);
        assert_eq!(ends(&[-3, 7], true), [-8, 0, 8]);
        assert_eq!(ends(&[-7], true), [-8, -4, 0]);
        assert_eq!(ends(&[0], true), [0, 1, 2]);
        // Half of fifteen is no visitor.
        assert_eq!(ends(&[0, 13], true), [0, 8, 16]);
        assert_eq!(ends(&[13, 167], false), [0, 100, 200]);
        assert_eq!(ends(&[903, 951], false), [900, 930, 960]);
        assert_eq!(ends(&[-20, -4], false), [-20, -10, 0]);
        assert!(Scale::of([spots(&[None]).as_slice()].into_iter()).is_none());
        let exact = |text: &str| exact::parse_decimal(text).unwrap();
        let rate = Scale { low: exact("1.41"), high: exact("4.52") }.labelled(false, false);
        assert_eq!((rate.low, rate.high), (exact("0"), exact("5")));
    }

    proptest! {
        #[test]
        fn a_labelled_scale_holds_all_values(low in -1_000_000_000_i64..1_000_000_000, more in 0_i64..1_000_000_000) {
            for from_zero in [true, false] {
                let (low, high) = (exact::from_int(low), exact::from_int(low + more));
                let scale = Scale { low: low.clone(), high: high.clone() }.labelled(from_zero, true);
                prop_assert!(scale.low <= low && high <= scale.high && scale.low < scale.high, "{scale:?}");
                prop_assert!(scale.low.is_integer() && scale.middle().is_integer() && scale.high.is_integer());
                prop_assert!(!from_zero || !scale.low.is_positive() && !scale.high.is_negative());
            }
        }
    }

    #[test]
    fn marks_stand_on_their_point() {
        let spots = spots(&[Some(0), Some(5), Some(10)]);
        let scale = scale(&spots, true);
        assert_eq!(dot(1, 3, &exact::from_int(5), &scale, false), "M3000 1000h0");
        assert_eq!(dot(0, 3, &exact::from_int(10), &scale, true), "M1000 0h0");
        assert_eq!(post(2, 3, false), "M6000 0V2000");
    }

    #[test]
    fn thinning_keeps_gaps() {
        let thin = thinned(&spots(&[Some(1), Some(3), None, Some(5)]), 2);
        assert_eq!(thin[0].value, Some(exact::from_int(2)));
        assert!(thin.len() == 2 && thin[1].value.is_none());
    }
}
