package questions

import (
	"cmp"
	"math"
	"slices"
)

// Calibration says for each threshold how often answers would be wrong, and how often there would be none, on the questions of
// a run. An answer is wrong when something reaches the model for a question that the documents do not answer, or when what
// reaches it is not of the expected document.
type Calibration struct {
	Answerable, Unanswerable int
	Points                   []Point // by threshold, in steps of Step from 0 to 1
}

// Step is between two thresholds: scores are shown in hundredths, and re-ranking models crowd at the ends.
const Step = 0.005

// Point is what comes of one threshold.
type Point struct {
	Threshold float64
	Answers   int // questions for which something reaches the model
	Wrong     int // of them
	Refused   int // answerable questions for which nothing does
	Stopped   int // unanswerable ones for which nothing does, as it should be
}

// WrongShare is the share of the answers that are wrong.
func (p Point) WrongShare() float64 { return share(p.Wrong, p.Answers) }

// Calibrate weighs the results of a run.
func Calibrate(results []Result) Calibration {
	var c Calibration
	for _, r := range results {
		if r.Unanswerable {
			c.Unanswerable++
		} else {
			c.Answerable++
		}
	}
	steps := int(math.Round(1 / Step))
	for i := range steps + 1 {
		c.Points = append(c.Points, pointAt(results, float64(i)/float64(steps)))
	}
	return c
}

func pointAt(results []Result, threshold float64) Point {
	p := Point{Threshold: threshold}
	for _, r := range results {
		switch refused := r.Refused(threshold); {
		case refused && r.Unanswerable:
			p.Stopped++
		case refused:
			p.Refused++
		default:
			p.Answers++
			if !r.Right(threshold) {
				p.Wrong++
			}
		}
	}
	return p
}

// Questions is how many it rests on.
func (c Calibration) Questions() int { return c.Answerable + c.Unanswerable }

// At is the point of a threshold, or the one nearest to it.
func (c Calibration) At(threshold float64) Point {
	i := int(math.Round(threshold / Step))
	return c.Points[max(0, min(i, len(c.Points)-1))]
}

// For is the lowest threshold at which no more than a share of the answers is wrong: a higher one refuses more. Where there is
// none, ok is false, and it is the one with the fewest.
func (c Calibration) For(accepted float64) (p Point, ok bool) {
	i := slices.IndexFunc(c.Points, func(p Point) bool { return p.WrongShare() <= accepted+1e-9 })
	if i < 0 {
		return slices.MinFunc(c.Points, func(a, b Point) int { return cmp.Compare(a.WrongShare(), b.WrongShare()) }), false
	}
	return c.Points[i], true
}

// Wilson is the interval in which a share of n lies in 95 of 100 cases when k of n were counted. Of nothing it is all.
// Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
func Wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964
	p, m := float64(k)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, middle-half), min(1, middle+half)
}
